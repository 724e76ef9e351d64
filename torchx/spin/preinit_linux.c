#include <string.h>
#include <unistd.h>

static int begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

// limit_spinning runs before the constructors of all libraries, libc's among them, and so uses only what needs no
// state: no getenv, no setenv, no malloc.
static void limit_spinning(int argc, char **argv, char **environment) {
  (void)argc;
  int count = 0;
  for (; environment[count] != NULL; count++) {
    if (begins(environment[count], "GOMP_SPINCOUNT=") || begins(environment[count], "OMP_WAIT_POLICY=")) {
      return;
    }
  }
  char program[4096];  // Linux's limit of a path
  ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  if (length <= 0) {
    return;
  }
  program[length] = 0;
  char *longer[count + 2];
  memcpy(longer, environment, count * sizeof *longer);
  longer[count] = "GOMP_SPINCOUNT=2000";
  longer[count + 1] = NULL;
  execve(program, argv, longer);  // where it fails, threads spin for longer
}

// Of what the dynamic linker calls only this array of the program itself comes before the libraries.
__attribute__((section(".preinit_array"), used)) static void (*const preinit)(int, char **, char **) = limit_spinning;
