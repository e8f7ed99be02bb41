/* Whether the kernel shows zeros in place of a truncated file's bytes, and sends no SIGBUS. No library is involved.
 *
 *     cc -O2 -o zeros docs/experiments/zeros_without_sigbus.c && ./zeros FILE SECONDS
 *
 * One process truncates a file of four pages to whole pages and writes it again at once, in one write that never
 * contains a zero. The other one reads the third page and a little more through a shared mapping: it may see the file's
 * bytes, or a SIGBUS, and nothing else. FILE is overwritten, and says which file system is tried. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, LENGTH = 4 * PAGE };

static sigjmp_buf back;

static void bus(int signal) {
    (void)signal;
    siglongjmp(back, 1);
}

static void truncate_and_write(int fd, const char *whole) {
    for (int turn = 1;; turn++) {
        if (ftruncate(fd, turn % 3 * PAGE) || pwrite(fd, whole, LENGTH, 0) != LENGTH) exit(1);
        if (turn % 4 == 0) sched_yield();
    }
}

int main(int count, char **words) {
    static char whole[LENGTH];
    if (count != 3) return 2;
    int fd = open(words[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (int i = 0; i < LENGTH; i++) whole[i] = '0' + i % 10;
    if (fd < 0 || pwrite(fd, whole, LENGTH, 0) != LENGTH) return 1;
    pid_t other = fork();
    if (other == 0) truncate_and_write(fd, whole);
    volatile unsigned char *map = mmap(0, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) return 1;
    struct sigaction action = {.sa_handler = bus, .sa_flags = SA_NODEFER};
    sigaction(SIGBUS, &action, 0);
    volatile long signals = 0, whole_reads = 0, zero_reads = 0;
    time_t end = time(0) + atoi(words[2]);
    while (time(0) < end) {
        if (sigsetjmp(back, 1)) {
            signals++;
            continue;
        }
        for (int turn = 0; turn < 200; turn++) {
            int zeros = 0;
            for (int i = 2 * PAGE; i < 3 * PAGE + 8; i++) zeros += map[i] == 0;
            *(zeros ? &zero_reads : &whole_reads) += 1;
        }
    }
    kill(other, SIGKILL);
    waitpid(other, 0, 0);
    printf("SIGBUS %ld, whole reads %ld, reads with zeros %ld\n", signals, whole_reads, zero_reads);
    return 0;
}
