/* Allocates memory on the first GPU that it sees, by CUDA's driver interface; says what came of it. */

#include <dlfcn.h>
#include <stdio.h>

typedef unsigned long long pointer;

static void *library;

/* The function `name`, which takes what `CALL` gives it and returns 0 or an error of cuda.h. */
static void *function(const char *name)
{
	void *found = dlsym(library, name);
	if (!found)
		printf("no GPU: no `%s`\n", name);
	return found;
}

#define CALL(name, types, ...)                                            \
	do {                                                              \
		int (*called) types = (int (*) types)function(name);      \
		int error = called ? called(__VA_ARGS__) : -1;            \
		if (error) {                                              \
			printf("no GPU: error %d of %s\n", error, name); \
			return 1;                                         \
		}                                                         \
	} while (0)

int main(void)
{
	int device;
	void *context;
	pointer memory;

	library = dlopen("libcuda.so.1", RTLD_NOW);
	if (!library) {
		printf("no GPU: %s\n", dlerror());
		return 1;
	}
	CALL("cuInit", (unsigned), 0);
	CALL("cuDeviceGet", (int *, int), &device, 0);
	CALL("cuDevicePrimaryCtxRetain", (void **, int), &context, device);
	CALL("cuCtxSetCurrent", (void *), context);
	CALL("cuMemAlloc_v2", (pointer *, unsigned long), &memory, 64ul << 20);
	printf("allocated on a GPU\n");
	return 0;
}
