/* plait/error.h - the error codes of the library.
 *
 * Functions return 0 (or a count) or a negative code from errors.def. There is no errno and no
 * thread-local state. A bad packet is not an error: it is a counted drop. */
#ifndef PLAIT_ERROR_H
#define PLAIT_ERROR_H

enum plait_error {
    PLAIT_OK = 0,
#define PLAIT_ERROR(code, class, name, text) PLAIT_E_##name = -(code),
#include "plait/errors.def"
#undef PLAIT_ERROR
};

enum plait_error_class {
    PLAIT_CLASS_NONE,
    PLAIT_CLASS_AGAIN,
    PLAIT_CLASS_LIMIT,
    PLAIT_CLASS_USAGE,
    PLAIT_CLASS_CLOSED,
    PLAIT_CLASS_PEER,
    PLAIT_CLASS_INTERNAL,
};

/* The class of a code; PLAIT_CLASS_NONE for 0 and for values that are no code. */
enum plait_error_class plait_error_class(int code);
/* The code's name without prefix ("NO_MEMORY"), or "OK", or "UNKNOWN". Static storage. */
const char *plait_error_name(int code);
/* One sentence for a person. Static storage. */
const char *plait_error_text(int code);

#endif
