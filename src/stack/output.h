/* stack/output.h - the next packets of a port. */
#ifndef PL_STACK_OUTPUT_H
#define PL_STACK_OUTPUT_H

#include "stack/state.h"

/* What plait_output() does between entering the stack and settling. */
unsigned pl_output_pull(struct plait_stack *stack, struct pl_port *port, struct plait_tx *tx,
                        unsigned max);

#endif
