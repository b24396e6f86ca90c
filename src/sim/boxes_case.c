/* sim/boxes_case.c - the rows of the table: which boxes, where, which way, when. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "sim/boxes.h"

static const char *const places[PL_BOXES_PLACES] = {"first", "second", "all"};
static const char *const ways[PL_BOXES_WAYS] = {"to-server", "to-client", "both"};
static const char *const times[2] = {"start", "middle"};
static const char *const checksums[2] = {"off", "on"};
enum { CASES_EACH = PL_BOXES_PLACES * PL_BOXES_WAYS * 2 * 2 };

static bool one_way(enum pl_box_kind kind, enum pl_boxes_way way) {
    switch (kind) {
        case PL_BOX_KIND_NAT:
        case PL_BOX_KIND_REBIND:
        case PL_BOX_KIND_NAT64:
            return way == PL_BOXES_BOTH; /* it has no other */
        case PL_BOX_KIND_STRIP_SYN:
        case PL_BOX_KIND_DROP_SYN:
            return way == PL_BOXES_TO_SERVER; /* nobody else sends any */
        case PL_BOX_KIND_HOLE:
            return way != PL_BOXES_TO_SERVER; /* what has just left has no holes */
        case PL_BOX_KIND_STRIP_SYN_ACK:
        case PL_BOX_KIND_ADD_ADDR_DROP:
        case PL_BOX_KIND_ADD_ADDR_ALTER:
            return way == PL_BOXES_TO_CLIENT;
        default:
            return true;
    }
}

static bool in_place(enum pl_box_kind kind, enum pl_boxes_place place) {
    bool announces = kind == PL_BOX_KIND_ADD_ADDR_DROP || kind == PL_BOX_KIND_ADD_ADDR_ALTER;
    if (kind == PL_BOX_KIND_NAT64) {
        return place != PL_BOXES_SECOND; /* the first subflow needs it, or nobody does */
    }
    return !announces || place == PL_BOXES_FIRST; /* that is where ADD_ADDR goes */
}

/* What happens in handshakes only has happened before the middle. */
static bool in_time(enum pl_box_kind kind, bool middle) {
    switch (kind) {
        case PL_BOX_KIND_REBIND:
            return middle;
        case PL_BOX_KIND_NAT:
        case PL_BOX_KIND_NAT64:
        case PL_BOX_KIND_STRIP_SYN:
        case PL_BOX_KIND_STRIP_SYN_ACK:
        case PL_BOX_KIND_DROP_SYN:
        case PL_BOX_KIND_ADD_ADDR_DROP:
        case PL_BOX_KIND_ADD_ADDR_ALTER:
            return !middle;
        default:
            return true;
    }
}

static bool single_at(unsigned index, struct pl_boxes_case *out) {
    *out = (struct pl_boxes_case){
        .count = 1,
        .kind = {(enum pl_box_kind)(index / CASES_EACH)},
        .place = (enum pl_boxes_place)(index / (CASES_EACH / PL_BOXES_PLACES) % PL_BOXES_PLACES),
        .way = (enum pl_boxes_way)(index / 4 % PL_BOXES_WAYS),
        .middle = index / 2 % 2 != 0,
        .checksum = index % 2 != 0,
    };
    return out->kind[0] != PL_BOX_KIND_SYN_DATA && one_way(out->kind[0], out->way) &&
           in_place(out->kind[0], out->place) && in_time(out->kind[0], out->middle);
}

/* Two boxes on the first path, in both ways; from the start where that is a time for both. */
static bool pair_at(unsigned index, struct pl_boxes_case *out) {
    unsigned a = index / 2 / PL_BOX_KIND_COUNT;
    unsigned b = index / 2 % PL_BOX_KIND_COUNT;
    *out = (struct pl_boxes_case){
        .count = 2,
        .kind = {(enum pl_box_kind)a, (enum pl_box_kind)b},
        .place = PL_BOXES_FIRST,
        .way = PL_BOXES_BOTH,
        .middle = a == PL_BOX_KIND_REBIND || b == PL_BOX_KIND_REBIND,
        .checksum = index % 2 != 0,
    };
    bool translates = a == PL_BOX_KIND_NAT || a == PL_BOX_KIND_REBIND;
    bool announces = b == PL_BOX_KIND_ADD_ADDR_DROP || b == PL_BOX_KIND_ADD_ADDR_ALTER;
    bool server = a == PL_BOX_KIND_ADD_ADDR_DROP || a == PL_BOX_KIND_ADD_ADDR_ALTER;
    return a < b && a != PL_BOX_KIND_SYN_DATA && b != PL_BOX_KIND_SYN_DATA &&
           !(translates && (announces || b == PL_BOX_KIND_REBIND || b == PL_BOX_KIND_NAT64)) &&
           !(server && b == PL_BOX_KIND_NAT64);
}

bool pl_boxes_case_at(unsigned index, struct pl_boxes_case *out) {
    for (unsigned i = 0; i < PL_BOX_KIND_COUNT * CASES_EACH; i++) {
        if (single_at(i, out) && index-- == 0) {
            return true;
        }
    }
    for (unsigned i = 0; i < PL_BOX_KIND_COUNT * PL_BOX_KIND_COUNT * 2; i++) {
        if (pair_at(i, out) && index-- == 0) {
            return true;
        }
    }
    return false;
}

void pl_boxes_case_name(const struct pl_boxes_case *box, char *out, size_t size) {
    bool pair = box->count == 2;
    snprintf(out, size, "%s%s%s/%s/%s/%s/%s", pl_box_name(box->kind[0]), pair ? "+" : "",
             pair ? pl_box_name(box->kind[1]) : "", places[box->place], ways[box->way],
             times[box->middle ? 1 : 0], checksums[box->checksum ? 1 : 0]);
}

/* ---- reading a name ---- */

/* Takes a word up to a '/' or the end; its index among `count` words, or -1. */
static int take_word(const char **text, const char *const *words, int count) {
    size_t len = strcspn(*text, "/");
    for (int i = 0; i < count; i++) {
        if (strlen(words[i]) == len && memcmp(words[i], *text, len) == 0) {
            *text += len + ((*text)[len] == '/' ? 1 : 0);
            return i;
        }
    }
    return -1;
}

static bool take_kind(const char **text, enum pl_box_kind *out) {
    char name[32];
    struct pl_box_config config;
    size_t len = strcspn(*text, "+/");
    if (len >= sizeof(name)) {
        return false;
    }
    memcpy(name, *text, len);
    name[len] = '\0';
    *text += len;
    if (!pl_box_parse(name, &config)) {
        return false;
    }
    *out = config.kind;
    return true;
}

bool pl_boxes_case_parse(const char *name, struct pl_boxes_case *out) {
    *out = (struct pl_boxes_case){.count = 1};
    if (!take_kind(&name, &out->kind[0])) {
        return false;
    }
    if (*name == '+') {
        name++;
        out->count = 2;
        if (!take_kind(&name, &out->kind[1])) {
            return false;
        }
    }
    name += *name == '/' ? 1 : 0;
    int place = take_word(&name, places, PL_BOXES_PLACES);
    int way = take_word(&name, ways, PL_BOXES_WAYS);
    int middle = take_word(&name, times, 2);
    int checksum = take_word(&name, checksums, 2);
    if (place < 0 || way < 0 || middle < 0 || checksum < 0 || *name != '\0') {
        return false;
    }
    out->place = (enum pl_boxes_place)place;
    out->way = (enum pl_boxes_way)way;
    out->middle = middle == 1;
    out->checksum = checksum == 1;
    return true;
}
