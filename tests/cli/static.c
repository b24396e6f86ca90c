/* tests/cli/static.c - what no preloaded library can reach: a static program whose child does the
 * work. `cli-static ADDRESS PORT N` reads N bytes from tests/cli/peer.py and prints their number.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int get(char **argv) {
    static char block[65536];
    struct sockaddr_in peer = {.sin_family = AF_INET};
    unsigned long long sum = 0;
    ssize_t n;
    int sock = socket(AF_INET, SOCK_STREAM, 0);
    peer.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
    inet_pton(AF_INET, argv[1], &peer.sin_addr);
    if (connect(sock, (const struct sockaddr *)&peer, sizeof(peer)) < 0) {
        perror("connect");
        return 1;
    }
    dprintf(sock, "get %s\n", argv[3]);
    while ((n = read(sock, block, sizeof(block))) > 0) {
        sum += (unsigned long long)n;
    }
    printf("%llu\n", sum);
    return n < 0;
}

int main(int argc, char **argv) {
    int status = 1;
    if (argc != 4) {
        return 2;
    }
    pid_t child = fork();
    if (child == 0) {
        return get(argv);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
