#include "sim/record.h"

#include <inttypes.h>
#include <string.h>

static void mix(struct pl_record *record, uint64_t value) {
    uint64_t h = (record->hash ^ value) * UINT64_C(0x9fb21c651e98df25);
    record->hash = h ^ (h >> 32);
}

static uint64_t little_endian(const uint8_t *p, uint32_t len) {
    uint64_t v = 0;
    for (uint32_t i = 0; i < len; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

static void mix_bytes(struct pl_record *record, const uint8_t *data, uint32_t len) {
    mix(record, len);
    uint32_t i = 0;
    for (; i + 8 <= len; i += 8) {
        mix(record, little_endian(data + i, 8));
    }
    if (i < len) {
        mix(record, little_endian(data + i, len - i));
    }
}

void pl_record_init(struct pl_record *record, const plait_time *clock) {
    *record = (struct pl_record){.hash = UINT64_C(0x243f6a8885a308d3), .clock = clock};
}

void pl_record_packet(struct pl_record *record, unsigned host, plait_port_id port, bool sent,
                      const uint8_t *data, uint32_t len) {
    if (sent) {
        record->packets++;
        record->bytes += len;
        mix(record, *record->clock);
        mix(record, (uint64_t)host << 32 | port);
        mix_bytes(record, data, len);
    }
    if (record->capture != NULL) {
        record->capture(record->capture_arg, host * 4 + port - 1, data, len, *record->clock);
    }
}

void pl_record_trace(struct pl_record *record, unsigned host, const struct plait_trace_record *r) {
    mix(record, r->time);
    mix(record, (uint64_t)host << 32 | r->type);
    mix(record, (uint64_t)r->connection << 32 | r->subflow);
    for (unsigned i = 0; i < 4; i++) {
        mix(record, r->arg[i]);
    }
    if (record->trace == NULL) {
        return;
    }
    fprintf(record->trace,
            "{\"t\":%" PRIu64 ",\"host\":\"%c\",\"ev\":\"%s\",\"conn\":\"%08" PRIx32
            "\",\"sf\":%" PRIu32,
            r->time, 'a' + (int)host, plait_trace_name(r->type), r->connection, r->subflow);
    for (unsigned i = 0; i < 4; i++) {
        const char *name = plait_trace_arg_name(r->type, i);
        if (name[0] != '\0') {
            fprintf(record->trace, ",\"%s\":%" PRIu64, name, r->arg[i]);
        }
    }
    fputs("}\n", record->trace);
}

void pl_record_note(struct pl_record *record, const char *what, const char *detail) {
    mix(record, *record->clock);
    mix_bytes(record, (const uint8_t *)what, (uint32_t)strlen(what));
    mix_bytes(record, (const uint8_t *)detail, (uint32_t)strlen(detail));
    if (record->trace != NULL) {
        fprintf(record->trace,
                "{\"t\":%" PRIu64 ",\"host\":\"-\",\"ev\":\"sim_%s\",\"text\":\"%s\"}\n",
                *record->clock, what, detail);
    }
}
