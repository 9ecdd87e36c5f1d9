/*
 * A stand-in for libnvidia-ml.so.1 with as many GPUs as FAKE_NVML_GPUS says.
 *
 * FAKE_NVML_FAIL=<call>  that call returns an error
 * FAKE_NVML_HANG=<call>  that call says "hanging" on standard error and never returns
 * -DWITHOUT_TEMPERATURE  a driver that lacks a symbol
 *
 * Signatures and numbers: NVIDIA, "NVML API Reference".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3, GPU_IS_LOST = 15 };

struct memory { unsigned version; unsigned long long total, reserved, free, used; };
struct utilization { unsigned gpu, memory; };

static int is(const char *variable, const char *call)
{
	const char *value = getenv(variable);
	return value && !strcmp(value, call);
}

static int enter(const char *call)
{
	if (is("FAKE_NVML_HANG", call)) {
		fprintf(stderr, "hanging\n");
		for (;;)
			pause();
	}
	return is("FAKE_NVML_FAIL", call) ? NOT_SUPPORTED : SUCCESS;
}

static unsigned gpus(void)
{
	const char *value = getenv("FAKE_NVML_GPUS");
	return value ? (unsigned)atoi(value) : 0;
}

int nvmlInit_v2(void) { return enter("init"); }
int nvmlShutdown(void) { return enter("shutdown"); }

int nvmlSystemGetDriverVersion(char *text, unsigned length)
{
	snprintf(text, length, "550.163.01");
	return enter("driver");
}

int nvmlSystemGetCudaDriverVersion_v2(int *version)
{
	*version = 12040;
	return enter("cuda");
}

int nvmlDeviceGetCount_v2(unsigned *count)
{
	*count = gpus();
	return enter("count");
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
	int failed = enter("handle");
	*device = (void *)(size_t)(index + 1);
	/* Only the first GPU is lost, so that a test sees the others survive it. */
	return failed && index == 0 ? GPU_IS_LOST : SUCCESS;
}

int nvmlDeviceGetName(void *device, char *text, unsigned length)
{
	snprintf(text, length, "Fake GPU %zu", (size_t)device - 1);
	return enter("name");
}

int nvmlDeviceGetUUID(void *device, char *text, unsigned length)
{
	snprintf(text, length, "GPU-fake-%zu", (size_t)device - 1);
	return enter("uuid");
}

int nvmlDeviceGetMemoryInfo_v2(void *device, struct memory *memory)
{
	(void)device;
	memory->total = 24576ULL << 20;
	memory->used = 1024ULL << 20;
	return enter("memory");
}

#ifndef WITHOUT_TEMPERATURE
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius)
{
	(void)sensor;
	*celsius = 40 + (unsigned)(size_t)device;
	return enter("temperature");
}
#endif

int nvmlDeviceGetUtilizationRates(void *device, struct utilization *rates)
{
	(void)device;
	rates->gpu = 7;
	rates->memory = 3;
	return enter("utilization");
}
