/* plait/plait.h - everything at once. */
#ifndef PLAIT_PLAIT_H
#define PLAIT_PLAIT_H

#include "plait/buf.h"
#include "plait/env.h"
#include "plait/error.h"
#include "plait/monitor.h"
#include "plait/mptcp_info.h"
#include "plait/multipath.h"
#include "plait/offload.h"
#include "plait/scheduler.h"
#include "plait/socket.h"
#include "plait/stack.h"
#include "plait/tcp_info.h"
#include "plait/trace.h"
#include "plait/types.h"

#endif
