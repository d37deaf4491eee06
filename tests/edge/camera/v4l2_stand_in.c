/* A Video4Linux camera without hardware, for tests: preload it, and $V4L2_STAND_IN/video0 is taken for a device.
 *
 *   gcc -shared -fPIC -o stand_in.so v4l2_stand_in.c -ldl
 *
 * In the folder $V4L2_STAND_IN lie, all made by the test and read while it runs:
 *   video0          a link to /dev/null; without it the camera is unplugged
 *   format          width, height and frames a second, and the pixel formats it has, the best first: 64 48 30 YUYV MJPG
 *   YUYV/0, MJPG/0  the frames of each format, numbered; played round and round
 *   mode            what it does now:
 *     fine | stall (no frame) | eio (each dequeue fails) | frozen (the same frame)
 *     empty (0 bytes) | short (half of the bytes) | flagged (the driver's error flag, a third of the bytes)
 *     hole (a part of the middle is missing)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { BUFFERS = 8, ROOM = 4 << 20, FDS = 1024 };

static int ours[FDS];                 /* which descriptors are open on the device */
static unsigned char *memory[BUFFERS];
static int queue[BUFFERS], queued, streaming;
static unsigned width, height, rate, formats[4], format_count, current;
static unsigned long frame;
static double due_s;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static const char *in_folder(const char *name) {
  static __thread char path[512];
  const char *folder = getenv("V4L2_STAND_IN");
  snprintf(path, sizeof path, "%s/%s", folder ? folder : "", name);
  return path;
}

static int mode_is(const char *wanted) {
  char mode[16] = "fine";
  FILE *file = fopen(in_folder("mode"), "r");
  if (file) {
    if (fscanf(file, "%15s", mode) != 1) strcpy(mode, "fine");
    fclose(file);
  }
  return !strcmp(mode, wanted);
}

static void power_on(void) {
  FILE *file = fopen(in_folder("format"), "r");
  char name[5];
  format_count = current = queued = streaming = 0;
  if (!file) return;
  if (fscanf(file, "%u %u %u", &width, &height, &rate) == 3)
    while (format_count < 4 && fscanf(file, "%4s", name) == 1)
      formats[format_count++] = v4l2_fourcc(name[0], name[1], name[2], name[3]);
  fclose(file);
}

static int is_ours(int fd) { return fd >= 0 && fd < FDS && ours[fd]; }

static int opened(const char *path, int fd) {
  if (fd >= 0 && fd < FDS && getenv("V4L2_STAND_IN") && !strcmp(path, in_folder("video0"))) {
    power_on();
    ours[fd] = 1;
  }
  return fd;
}

#define OPEN(name)                                             \
  int name(const char *path, int flags, ...) {                 \
    va_list rest;                                              \
    va_start(rest, flags);                                     \
    mode_t mode = va_arg(rest, mode_t);                        \
    va_end(rest);                                              \
    return opened(path, REAL(name)(path, flags, mode));        \
  }
OPEN(open)
OPEN(open64)

int close(int fd) {
  if (is_ours(fd)) ours[fd] = 0;
  return REAL(close)(fd);
}

void *mmap64(void *at, size_t length, int protection, int flags, int fd, off64_t offset) {
  if (!is_ours(fd)) return REAL(mmap64)(at, length, protection, flags, fd, offset);
  return memory[offset / ROOM] = REAL(mmap64)(0, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
  return mmap64(at, length, protection, flags, fd, offset);
}

static int ready(void) { return queued && now_s() >= due_s && !mode_is("stall"); }

int poll(struct pollfd *watched, nfds_t count, int timeout_ms) {
  if (count != 1 || !is_ours(watched->fd)) return REAL(poll)(watched, count, timeout_ms);
  double until_s = now_s() + timeout_ms / 1e3;
  while (!ready() && !mode_is("eio")) {
    if (now_s() >= until_s) return 0;
    usleep(2000);
  }
  watched->revents = POLLIN;
  return 1;
}

static int describe(struct v4l2_format *asked) {
  struct v4l2_pix_format *pixels = &asked->fmt.pix;
  for (unsigned one = 0; one < format_count; one++)
    if (formats[one] == pixels->pixelformat) current = one;
  pixels->width = width, pixels->height = height, pixels->pixelformat = formats[current];
  pixels->field = V4L2_FIELD_NONE;
  pixels->bytesperline = formats[current] == V4L2_PIX_FMT_YUYV ? 2 * width : 0;
  pixels->sizeimage = 2 * width * height;
  return 0;
}

static int dequeue(struct v4l2_buffer *buffer) {
  char name[32];
  unsigned bytes = 0;
  if (mode_is("eio")) return errno = EIO, -1;
  if (!ready()) return errno = EAGAIN, -1;
  int index = queue[0];
  memmove(queue, queue + 1, --queued * sizeof *queue);
  due_s = (due_s > now_s() - 1 ? due_s : now_s()) + 1.0 / rate;
  if (!mode_is("frozen")) frame++;
  for (int again = 0; again < 2; again++) { /* after the last frame comes the first */
    snprintf(name, sizeof name, "%.4s/%lu", (char *)&formats[current], frame);
    FILE *file = fopen(in_folder(name), "r");
    if (file) {
      bytes = fread(memory[index], 1, ROOM, file);
      fclose(file);
      break;
    }
    frame = 0;
  }
  buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
  if (mode_is("empty")) bytes = 0;
  if (mode_is("short")) bytes /= 2;
  if (mode_is("flagged")) bytes /= 3, buffer->flags |= V4L2_BUF_FLAG_ERROR;
  if (mode_is("hole")) memmove(memory[index] + bytes / 2, memory[index] + bytes * 3 / 4, bytes / 4), bytes -= bytes / 4;
  double at_s = now_s();
  buffer->index = index, buffer->bytesused = bytes, buffer->length = ROOM, buffer->sequence = frame;
  buffer->timestamp.tv_sec = at_s, buffer->timestamp.tv_usec = (at_s - (long)at_s) * 1e6;
  return 0;
}

int ioctl(int fd, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  if (!is_ours(fd)) return REAL(ioctl)(fd, request, argument);
  switch ((unsigned)request) { /* Python passes it as a negative number */
  case (unsigned)VIDIOC_QUERYCAP: {
    struct v4l2_capability *capability = argument;
    memset(capability, 0, sizeof *capability);
    strcpy((char *)capability->card, "stand-in");
    capability->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    capability->capabilities = capability->device_caps | V4L2_CAP_DEVICE_CAPS;
    return 0;
  }
  case (unsigned)VIDIOC_G_FMT:
  case (unsigned)VIDIOC_S_FMT: return describe(argument);
  case (unsigned)VIDIOC_G_PARM:
  case (unsigned)VIDIOC_S_PARM: {
    struct v4l2_captureparm *capture = &((struct v4l2_streamparm *)argument)->parm.capture;
    capture->capability = V4L2_CAP_TIMEPERFRAME;
    capture->timeperframe.numerator = 1, capture->timeperframe.denominator = rate;
    return 0;
  }
  case (unsigned)VIDIOC_REQBUFS: {
    struct v4l2_requestbuffers *wanted = argument;
    if (wanted->count > BUFFERS) wanted->count = BUFFERS;
    return 0;
  }
  case (unsigned)VIDIOC_QUERYBUF: {
    struct v4l2_buffer *buffer = argument;
    buffer->length = ROOM, buffer->m.offset = buffer->index * ROOM;
    return 0;
  }
  case (unsigned)VIDIOC_QBUF: {
    int index = ((struct v4l2_buffer *)argument)->index;
    for (int one = 0; one < queued; one++)
      if (queue[one] == index) return errno = EINVAL, -1;
    queue[queued++] = index;
    return 0;
  }
  case (unsigned)VIDIOC_DQBUF: return dequeue(argument);
  case (unsigned)VIDIOC_STREAMON: streaming = 1, due_s = now_s(); return 0;
  case (unsigned)VIDIOC_STREAMOFF: streaming = queued = 0; return 0;
  default: return errno = EINVAL, -1;
  }
}
