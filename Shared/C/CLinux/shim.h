// SPDX-License-Identifier: Apache-2.0
// Linux calls that Swift's Glibc module leaves out.
//
// Without _GNU_SOURCE, on purpose: it gives types that both modules see (fd_set) other members than Swift's Glibc module gave
// them, which the compiler refuses. What needs it is declared here.
#pragma once
#include <fcntl.h>
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include "crc32c.h"

extern int accept4(int, struct sockaddr *restrict, socklen_t *restrict, int);

/// Takes the next waiting connection, without asking for its address; `flags` as in accept4(2).
static inline int accept_connection(int listener, int flags) { return accept4(listener, 0, 0, flags); }

/// What SO_PEERCRED fills in (`struct ucred`, unix(7)).
struct peer_credentials {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};
