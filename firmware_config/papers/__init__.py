"""Papers from a configuration: notices, a data-protection impact assessment, records, instructions for use."""
