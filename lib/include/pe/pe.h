/* pe/pe.h - all of libpe. A program that only executes checkpoints needs pe/model.h and
 * pe/text.h. */
#ifndef PE_PE_H
#define PE_PE_H

#include <pe/base.h>
#include <pe/bench.h>
#include <pe/convert.h>
#include <pe/data.h>
#include <pe/dump.h>
#include <pe/eval.h>
#include <pe/model.h>
#include <pe/prune.h>
#include <pe/quant.h>
#include <pe/tensor.h>
#include <pe/text.h>

#endif
