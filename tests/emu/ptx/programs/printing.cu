/* printing.cu - printf of device code; run.sh compares the text. Also says which PTX was taken:
 * the program carries two. Read next: program.cuh, runtime/print.cc. */
#include "program.cuh"

__global__ void print(const char *word)
{
    if (threadIdx.x == 3) {
        printf("%d|%5d|%-5d|%05d|%+d|%x|%X|%o|%u\n", -7, 42, 42, 42, 42, 255, 255, 8, 4000000000u);
        printf("%lld|%llu|%ld|%zu|%hd\n", -5000000000ll, 18000000000000000000ull, 7l, (size_t)9,
               (short)-3);
        printf("%f|%.2f|%8.3e|%g|%a\n", 1.5, 2.345f, 12345.678, 1e-7, 1.0);
        printf("%c%c|%s|%10s|%%|%p\n", 'o', 'k', "text", word, (void *)0x1234);
        printf("no arguments\n");
    }
    if (threadIdx.x == 0) printf("printed %d\n", printf("%d %d\n", 1, 2));
}

__device__ char word[8] = "device";

__global__ void architecture()
{
#ifdef __CUDA_ARCH__
    printf("architecture %d\n", __CUDA_ARCH__);
#endif
}

int main()
{
    char *p;
    if (cudaGetSymbolAddress((void **)&p, word) != cudaSuccess) return 1;
    print<<<1, 32>>>(p);
    architecture<<<1, 1>>>();
    printf("before\n");
    return cudaDeviceSynchronize() != cudaSuccess;
}
