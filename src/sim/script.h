/* sim/script.h - scenario scripts: "segment in, segment out, call, time" on virtual time
 * (docs/scripts.md is the language).
 *
 * A script drives one real stack through include/plait/ alone. It is parsed into lines
 * (script_parse.c, script_segment.c), and run (script_run.c): symbols become numbers
 * (script_bind.c), packets are put together and taken apart (script_packet.c, by the tables of
 * script_option.c and without src/wire's TCP code), compared (script_compare.c) and printed in the
 * script's own syntax (script_print.c). script_call.c does what an application does,
 * script_expect.c looks at counters and state. */
#ifndef PL_SIM_SCRIPT_H
#define PL_SIM_SCRIPT_H

#include <stdio.h>

#include "plait/env.h"
#include "sim/record.h"

enum pl_script_result {
    PL_SCRIPT_PASS,
    PL_SCRIPT_FAIL,    /* the stack did something else */
    PL_SCRIPT_TROUBLE, /* the script is wrong, or memory is out */
};

struct pl_script_options {
    const struct plait_env *hashes; /* whose hashes are used */
    FILE *out;                      /* failures, and the exchange if `verbose` */
    bool verbose;
    bool record;                /* judge nothing: print a script of what happens, which passes */
    FILE *trace;                /* every event as JSON, or NULL */
    pl_record_capture *capture; /* every packet, or NULL */
    void *capture_arg;
    /* The text of a file that `script` includes, from malloc; NULL: there is none. NULL itself:
     * scripts may not include anything. */
    char *(*include)(void *arg, const char *script, const char *file, size_t *len);
    void *include_arg;
};

/* Runs a script, once for each family that it asks for. `name` is used in messages. */
enum pl_script_result pl_script_run(const char *name, const char *text, size_t len,
                                    const struct pl_script_options *options);

#endif
