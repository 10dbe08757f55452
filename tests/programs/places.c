/* A program with variables of functions in memory, for tests/debug_info.rs. */
#include <stdio.h>

int table[2][3] = {{1, 2, 3}, {4, 5, 6}};

__attribute__((noinline)) int next(int by)
{
    static int calls = 5;
    calls++;
    __asm__ volatile("" : : "m"(calls));
    return calls + by;
}

__attribute__((noinline)) void fill(int *into)
{
    *into += 1;
}

__attribute__((noinline)) int work(int count)
{
    int sum = count * 2;
    int *pointer = &sum;
    fill(&sum);
    return *pointer;
}

int main(void)
{
    int total = next(2) + next(3) + work(21);
    printf("program: %d\n", total);
    return 0;
}
