// The program ntap is measured against: what one writes by hand to count system calls by the name of the
// command. No header is needed to compile it: clang -O2 -g -target bpf -mcpu=v3 -c count.bpf.c

typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))

static long (*bpf_get_current_comm)(void *, u32) = (void *)16;
static void *(*bpf_map_lookup_elem)(void *, const void *) = (void *)1;
static long (*bpf_map_update_elem)(void *, const void *, const void *, u64) = (void *)2;

enum { BPF_MAP_TYPE_PERCPU_HASH = 5, BPF_NOEXIST = 1 };

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

SEC("tp_btf/sys_enter")
int empty(void *context)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
