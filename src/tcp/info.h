/* tcp/info.h - the state of a connection in the words of Linux's TCP_INFO. */
#ifndef PL_TCP_INFO_H
#define PL_TCP_INFO_H

#include "plait/tcp_info.h"
#include "tcp/tcp.h"

void pl_tcp_info_linux(const struct pl_tcp *tcp, struct plait_tcp_info *out, plait_time now);

#endif
