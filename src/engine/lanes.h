/* SPDX-License-Identifier: MIT */
/* An engine by its lanes. Each function below takes the lane that it may touch, and through it what
 * that lane may reach; only the doors (engine.c, status.c) see all of them. */
#ifndef ENGINE_LANES_H
#define ENGINE_LANES_H

#include "engine/echo.h"
#include "engine/handshakes.h"
#include "engine/inbound.h"
#include "engine/outbound.h"
#include "engine/own_socket.h"
#include "engine/plan.h"

struct engine {
    struct core core;
    struct plan plan;
    struct outbound outbound;
    struct inbound inbound;
    struct handshakes handshakes;
    struct own_sockets own_sockets;
    struct echoes echoes;
};

#endif
