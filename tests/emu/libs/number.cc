/* tests/emu/libs/number.cc - names of element types for messages.
 * Read next: number.hh. */
#include "number.hh"

namespace emulib
{

const char *name_of(cudaDataType type)
{
    switch (type) {
    case CUDA_R_32F: return "f32";
    case CUDA_R_16F: return "f16";
    case CUDA_R_16BF: return "bf16";
    case CUDA_R_8I: return "int8";
    case CUDA_R_32I: return "int32";
    case CUDA_R_64F: return "f64";
    case CUDA_R_8F_E4M3: return "fp8 e4m3";
    case CUDA_R_8F_E5M2: return "fp8 e5m2";
    default: return "another type";
    }
}

} // namespace emulib
