"""The configuration of a store's broker: who may come in, what it keeps, and the bridge to the centre.

Checked against Mosquitto 2.0.11 (Debian 12): what each line does for a window is in the page beside this file.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware_config.fleet.names import gateway_username

ETC = "/etc/mosquitto/affect-edge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A store's gateway.

    Attributes:
        site: whose cameras come to it.
        central, central_port: the broker in the centre; TLS, and its certificate has to name `central`.
        own_authority: the centre's certificate is checked against `central-ca.pem`; else the system's authorities.
        port: where the cameras come.
        etc: folder of its files on the gateway.
        save_every: changes after which the whole queue is written to the disk.
    """

    site: str
    central: str
    central_port: int = 8883
    own_authority: bool = False
    port: int = 8883
    etc: str = ETC
    save_every: int = 1


def write_gateway(gateway: Gateway, password: str) -> str:
    """The file for `/etc/mosquitto/conf.d/`, which holds the password at the centre: 0600."""
    site, etc = gateway.site, gateway.etc
    host = f"[{gateway.central}]" if ":" in gateway.central else gateway.central
    authority = f"bridge_cafile {etc}/central-ca.pem" if gateway.own_authority else "bridge_capath /etc/ssl/certs"
    return f"""# The broker of {site}, between its cameras and the centre, from `python -m firmware_config gateway`.
# The main file has to say `persistence true` and where, as Debian's /etc/mosquitto/mosquitto.conf does.

# The cameras' side: TLS, a user for each device, who may write below its own name.
listener {gateway.port}
certfile {etc}/store.pem
keyfile {etc}/store.key
allow_anonymous false
password_file {etc}/passwords
acl_file {etc}/acl

# What is acknowledged to a camera is gone from the camera, so it has to survive here: everything is saved after
# more than so many changes. Each save writes the whole queue; the gateway's page in the project says what it costs.
autosave_on_changes true
autosave_interval {gateway.save_every}
# Windows kept while the line is cut: 100 cameras make 144,000 a day. A large number, not 0 (see docs/mqtt.md).
max_queued_messages 1000000

# The line to the centre: everything goes up, nothing comes down.
connection affect-{site}
address {host}:{gateway.central_port}
{authority}
bridge_insecure false
bridge_protocol_version mqttv50
remote_clientid affect-gateway-{site}
remote_username {gateway_username(site)}
remote_password {password}
local_clientid affect-bridge-{site}
# The queue outlives the connection on both sides.
cleansession false
local_cleansession false
# Says to the centre that it is a bridge: `status` stays retained there.
try_private true
start_type automatic
keepalive_interval 60
# Random between 5 s and 2 minutes, growing: a centre that returns is not met by every store at once.
restart_timeout 5 120
# Whether the line holds, retained: 1, or 0 as a last will. Meanwhile every `status` of this site is out of date.
notifications true
notifications_local_only false
notification_topic affect/gateway/{site}/state
# There never was a subscription up there to be undone.
bridge_attempt_unsubscribe false
topic affect/v1/{site}/# out 1
"""
