#include "plait/error.h"

#include <stddef.h>

struct error_info {
    int code;
    enum plait_error_class class;
    const char *name;
    const char *text;
};

static const struct error_info infos[] = {
    {PLAIT_OK, PLAIT_CLASS_NONE, "OK", "success"},
#define PLAIT_ERROR(code, class, name, text) {PLAIT_E_##name, PLAIT_CLASS_##class, #name, text},
#include "plait/errors.def"
#undef PLAIT_ERROR
};

static const struct error_info unknown = {0, PLAIT_CLASS_NONE, "UNKNOWN", "unknown error"};

static const struct error_info *info_of(int code) {
    for (size_t i = 0; i < sizeof(infos) / sizeof(infos[0]); i++) {
        if (infos[i].code == code) {
            return &infos[i];
        }
    }
    return &unknown;
}

enum plait_error_class plait_error_class(int code) {
    return info_of(code)->class;
}

const char *plait_error_name(int code) {
    return info_of(code)->name;
}

const char *plait_error_text(int code) {
    return info_of(code)->text;
}
