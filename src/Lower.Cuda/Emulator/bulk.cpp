#include "runtime.h"
namespace picograd {
bool complete_some_load(){return false;}
void block_ends(Block&){}
void wgmma_ends(Block&){}
}
