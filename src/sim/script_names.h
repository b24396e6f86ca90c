/* sim/script_names.h - members of public structs by name. */
#ifndef PL_SIM_SCRIPT_NAMES_H
#define PL_SIM_SCRIPT_NAMES_H

#include "plait/types.h"

enum pl_script_member_kind {
    PL_MEMBER_BOOL,
    PL_MEMBER_CC,       /* enum plait_cc in a byte */
    PL_MEMBER_VERSIONS, /* enum plait_mptcp_versions in a byte */
    PL_MEMBER_U8,
    PL_MEMBER_U32,
    PL_MEMBER_U64,
    PL_MEMBER_TIME,
};

struct pl_script_member {
    const char *name;
    uint8_t kind; /* enum pl_script_member_kind */
    size_t offset;
};

/* Of struct plait_config; NULL: there is none. */
const struct pl_script_member *pl_script_config_find(const char *name);
/* By the index that pl_script_info_find() gave: of struct plait_subflow_info, or of struct
 * plait_connection_info. */
const struct pl_script_member *pl_script_info_member(unsigned index, bool *of_connection);
/* Of struct plait_stack_stats. */
const struct pl_script_member *pl_script_stats_member(unsigned index);
uint64_t pl_script_member_get(const struct pl_script_member *member, const void *object);
void pl_script_member_set(const struct pl_script_member *member, void *object, uint64_t value);

#endif
