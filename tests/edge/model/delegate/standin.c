/* A delegate that takes no node: proves that a library is found, loaded, given its options, and its failures told.
   Options: mode = work | refuse | crash | hang; trace = a file to which each option is written. */
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The layout of TfLiteDelegate in TensorFlow Lite's C API. */
typedef struct Delegate {
  void *data;
  int (*prepare)(void *context, struct Delegate *delegate);
  void *copy_from, *copy_to, *free_buffer;
  int64_t flags;
  void *builder;
} Delegate;

static int prepare(void *context, Delegate *delegate) {
  (void)context;
  (void)delegate;
  return 0;
}

static Delegate delegate = {.prepare = prepare};

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
  const char *mode = "work";
  for (size_t i = 0; i < count; i++)
    if (!strcmp(keys[i], "mode")) mode = values[i];
  for (size_t i = 0; i < count; i++)
    if (!strcmp(keys[i], "trace")) {
      FILE *file = fopen(values[i], "a");
      for (size_t k = 0; k < count; k++) fprintf(file, "%s=%s\n", keys[k], values[k]);
      fclose(file);
    }
  if (!strcmp(mode, "refuse")) {
    report("no accelerator found");
    return NULL;
  }
  if (!strcmp(mode, "crash")) raise(SIGSEGV);
  if (!strcmp(mode, "hang")) sleep(600);
  return &delegate;
}

void tflite_plugin_destroy_delegate(Delegate *given) { (void)given; }
