#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static int begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

// limit_spinning runs before the constructors of all libraries, libc's among them, and so uses only what needs no
// state: no getenv, no setenv, no malloc.
static void limit_spinning(int argc, char **argv, char **environment) {
  (void)argc;
  static char limit[] = "GOMP_SPINCOUNT=2000";
  char **last_command = NULL;
  int count = 0;
  for (; environment[count] != NULL; count++) {
    if (begins(environment[count], "GOMP_SPINCOUNT=") || begins(environment[count], "OMP_WAIT_POLICY=")) {
      return;
    }
    if (begins(environment[count], "_=")) {
      last_command = &environment[count];
    }
  }
  // A shell says in _ which program it started. That nobody reads, and so it gives its place in the list, which cannot
  // grow.
  if (last_command != NULL) {
    *last_command = limit;
    return;
  }
  // Without an interpreter the program was started by ld.so as a command, which is then what /proc/self/exe names.
  char program[4096];  // Linux's limit of a path
  ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  if (length <= 0 || getauxval(AT_BASE) == 0 || getauxval(AT_SECURE) != 0) {
    return;
  }
  program[length] = 0;
  char *longer[count + 2];
  memcpy(longer, environment, count * sizeof *longer);
  longer[count] = limit;
  longer[count + 1] = NULL;
  execve(program, argv, longer);  // where it fails, threads spin for longer
}

// Of what the dynamic linker calls only this array of the program itself comes before the libraries.
__attribute__((section(".preinit_array"), used)) static void (*const preinit)(int, char **, char **) = limit_spinning;
