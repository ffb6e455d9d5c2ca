/*
 * sandbox.h: a program that parses hostile input gives up what it does not need.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "cli/prog.h"

/*
 * From here on the process can read files and write only below the folder of its output (-o; or
 * in it, when the output is a folder) and to what is open already; it can start no program and open
 * no socket. Call when the output is open and before input is parsed or threads are started. What
 * the kernel does not offer is left out; -v says what took effect.
 */
void sandbox_enter(const struct prog *p);

#endif
