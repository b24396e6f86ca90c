#include "cli/place.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plait/types.h"
#include "wire/addr.h"

static bool parse_port(const char *text, uint16_t *port) {
    char *end;
    if (!isdigit((unsigned char)*text)) {
        return false;
    }
    unsigned long value = strtoul(text, &end, 10);
    if (*end != '\0' || value == 0 || value > UINT16_MAX) {
        return false;
    }
    *port = (uint16_t)value;
    return true;
}

bool cli_place_parse(const char *text, char host[CLI_HOST_TEXT], uint16_t *port) {
    const char *colon = strrchr(text, ':');
    const char *begin = text, *end = colon;
    uint16_t value;
    if (!parse_port(colon != NULL ? colon + 1 : text, &value)) {
        return false;
    }
    if (colon == NULL) {
        begin = end = text;
    } else if (*text == '[') { /* the only form in which a host may have colons of its own */
        begin = text + 1;
        end = colon - 1;
        if (end <= begin || *end != ']') {
            return false;
        }
    } else if (end == text || memchr(text, ':', (size_t)(end - text)) != NULL) {
        return false;
    }
    size_t len = (size_t)(end - begin);
    if (len >= CLI_HOST_TEXT) {
        return false;
    }
    memcpy(host, begin, len);
    host[len] = '\0';
    *port = value;
    return true;
}

size_t cli_place_proxy_line(const struct plait_endpoint *client, const struct plait_endpoint *here,
                            char out[108]) {
    char from[PL_ADDR_TEXT], to[PL_ADDR_TEXT];
    pl_addr_format(&client->addr, from);
    pl_addr_format(&here->addr, to);
    return (size_t)snprintf(out, 108, "PROXY TCP%c %s %s %u %u\r\n",
                            client->addr.family == PLAIT_IPV6 ? '6' : '4', from, to, client->port,
                            here->port);
}
