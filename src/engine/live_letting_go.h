/* SPDX-License-Identifier: MIT */
/* Whatever points at what is removed, or waits for what is reached another way now, lets go of it.
 * */
#ifndef ENGINE_LIVE_LETTING_GO_H
#define ENGINE_LIVE_LETTING_GO_H

#include "engine/lanes.h"

/* Of a peer that is out of its tunnel. It can be freed once ways are found anew. */
void live_letting_go_of_peer(struct engine *engine, struct peer *peer);
/* Of a node with all its peers. */
void live_letting_go_of_node(struct engine *engine, struct node *node);
/* The node goes elsewhere: its datagrams that wait for a session of its carrier's are dropped (I3).
 * */
void live_letting_go_of_carrier(struct engine *engine, struct node *node);
/* What waits for this peer and has too little room for its headers. */
void live_letting_go_of_cramped(struct engine *engine, struct peer *peer);

#endif
