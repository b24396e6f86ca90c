/* base/assert.h - assertions, on in every build. They state what the code itself guarantees;
 * nothing a peer or an application does may reach one. */
#ifndef PL_BASE_ASSERT_H
#define PL_BASE_ASSERT_H

#include <assert.h>

#include "plait/env.h"

#define PL_ASSERT(x) ((x) ? (void)0 : plait_abort_hook(#x, __FILE__, __LINE__))
#define PL_UNREACHABLE() plait_abort_hook("unreachable", __FILE__, __LINE__)

#endif
