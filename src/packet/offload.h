/* SPDX-License-Identifier: MIT */
/* The TUN's segmentation offload as pure bytes, both ways. */
#ifndef PACKET_OFFLOAD_H
#define PACKET_OFFLOAD_H

#include "packet/coalesce.h"
#include "packet/pool.h"
#include "packet/split.h"
#include "packet/vnet.h"

#endif
