/* A program with inlined functions, labels, and calls of a library, for tests/debug_info.rs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int shared = 40;
static int hidden = 2;

static inline __attribute__((always_inline)) int twice(int value)
{
    int doubled = value * 2;
    __asm__ volatile("" : "+r"(doubled));
    return doubled;
}

__attribute__((noinline)) int work(int count)
{
    int sum = twice(count);
    sum += twice(count + 1);
    if (sum > 100)
        goto out;
    sum += shared + hidden;
out:
    __asm__ volatile("" : "+r"(sum));
    return sum;
}

__attribute__((noinline)) int outer(int count)
{
    return work(count) + 1;
}

int main(void)
{
    int total = 0;
    for (int i = 0; i < 3; i++)
        total += outer(i * 20);
    char *copy = malloc(16 + total % 2);
    strcpy(copy, "text");
    printf("program: %d %s\n", total, copy);
    free(copy);
    return 0;
}
