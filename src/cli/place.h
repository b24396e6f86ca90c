/* cli/place.h - "[HOST:]PORT" as people write it. */
#ifndef PL_CLI_PLACE_H
#define PL_CLI_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLI_HOST_TEXT = 256 };

/* The parts of "80", "example.org:80", "192.0.2.1:80" or "[2001:db8::1]:80"; the host is "" where
 * there is none. False, and nothing written, when it is neither. */
bool cli_place_parse(const char *text, char host[CLI_HOST_TEXT], uint16_t *port);

struct plait_endpoint;
/* The line of the PROXY protocol, version 1, that tells a service who is there. Returns its
 * length. `client` and `here` are of one family. */
size_t cli_place_proxy_line(const struct plait_endpoint *client, const struct plait_endpoint *here,
                            char out[108]);

#endif
