// The programs ntap is measured against: what one writes by hand to count system calls by the name of the
// command, and to record their numbers in other ways. No header is needed to compile it: clang -O2 -g -target bpf -mcpu=v3 -c count.bpf.c

typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))

static long (*bpf_get_current_comm)(void *, u32) = (void *)16;
static void *(*bpf_map_lookup_elem)(void *, const void *) = (void *)1;
static long (*bpf_map_update_elem)(void *, const void *, const void *, u64) = (void *)2;

enum { BPF_MAP_TYPE_PERCPU_HASH = 5, BPF_MAP_TYPE_PERCPU_ARRAY = 6, BPF_NOEXIST = 1 };

struct command {
	char name[16];
};

struct {
	int (*type)[BPF_MAP_TYPE_PERCPU_HASH];
	int (*max_entries)[2048];
	struct command *key;
	u64 *value;
} counts SEC(".maps");

SEC("tp_btf/sys_enter")
int count(void *context)
{
	struct command command;
	u64 one = 1, *value;

	bpf_get_current_comm(&command, sizeof(command));
	value = bpf_map_lookup_elem(&counts, &command);
	if (value)
		*value += 1;
	else
		bpf_map_update_elem(&counts, &command, &one, BPF_NOEXIST);
	return 0;
}

struct sums {
	u64 count;
	u64 sum;
};

struct {
	int (*type)[BPF_MAP_TYPE_PERCPU_HASH];
	int (*max_entries)[2048];
	struct command *key;
	struct sums *value;
} sums SEC(".maps");

// The arguments: registers, number of the system call.
SEC("tp_btf/sys_enter")
int count_sum(u64 *context)
{
	struct command command;
	struct sums first = { 1, context[1] }, *value;

	bpf_get_current_comm(&command, sizeof(command));
	value = bpf_map_lookup_elem(&sums, &command);
	if (value) {
		value->count += 1;
		value->sum += context[1];
	} else {
		bpf_map_update_elem(&sums, &command, &first, BPF_NOEXIST);
	}
	return 0;
}

struct buckets {
	u64 count[64];
};

struct {
	int (*type)[BPF_MAP_TYPE_PERCPU_ARRAY];
	int (*max_entries)[1];
	u32 *key;
	struct buckets *value;
} buckets SEC(".maps");

static inline u32 power_of_two(u64 value)
{
	u32 high = value >> 32, low = value, result = 0, shift;

	if (high) {
		result = 32;
		low = high;
	}
	shift = (low > 0xffff) << 4;
	low >>= shift;
	result += shift;
	shift = (low > 0xff) << 3;
	low >>= shift;
	result += shift;
	shift = (low > 0xf) << 2;
	low >>= shift;
	result += shift;
	shift = (low > 0x3) << 1;
	low >>= shift;
	result += shift;
	return result + (low >> 1);
}

SEC("tp_btf/sys_enter")
int histogram(u64 *context)
{
	u32 zero = 0, bucket = power_of_two(context[1]);
	struct buckets *value = bpf_map_lookup_elem(&buckets, &zero);

	if (value)
		value->count[bucket & 63] += 1;
	return 0;
}

struct two_keys {
	struct command command;
	u64 number;
};

struct {
	int (*type)[BPF_MAP_TYPE_PERCPU_HASH];
	int (*max_entries)[2048];
	struct two_keys *key;
	u64 *value;
} counts_of_two SEC(".maps");

SEC("tp_btf/sys_enter")
int two_keys(u64 *context)
{
	struct two_keys key;
	u64 one = 1, *value;

	bpf_get_current_comm(&key.command, sizeof(key.command));
	key.number = context[1];
	value = bpf_map_lookup_elem(&counts_of_two, &key);
	if (value)
		*value += 1;
	else
		bpf_map_update_elem(&counts_of_two, &key, &one, BPF_NOEXIST);
	return 0;
}

SEC("tp_btf/sys_enter")
int empty(void *context)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
