/* A program with debug information, whose variables tests/debug_info.rs reads. */
#include <stdio.h>
#include <stdlib.h>

enum color { RED, GREEN = 5, BLUE = -1 };
struct point { int x; short y; unsigned flags : 3; int small : 4; };
struct node { struct node *next; const char *name; struct point at; char tag[8]; enum color color; unsigned char bytes[3]; };
typedef struct node node_t;
struct big { long a[5]; };

int total = 7;

__attribute__((noinline)) int add(int a, long b, char c, unsigned short d, const char *text, node_t *n, int seventh)
{
    int sum = a + b + c;
    sum += d + n->at.x + seventh;
    return sum - 1000;
}
__attribute__((noinline)) struct big make(long seed)
{
    struct big b = { { seed, 2, 3, 4, 5 } };
    return b;
}
__attribute__((noinline)) double half(double x, int n) { return x / 2 + n; }
__attribute__((noinline)) node_t *walk(node_t *n, int depth)
{
    node_t *last = n;
    while (n && depth--) { last = n; n = n->next; }
    return last;
}
__attribute__((noinline)) int count_up(int by)
{
    total += by;
    return total;
}
int main(void)
{
    node_t second = { 0, "second", { 3, -4, 5, -3 }, "tagged", BLUE, { 1, 2, 3 } };
    node_t first = { &second, "first", { 1, 2, 7, 3 }, "one", GREEN, { 4, 5, 6 } };
    int r = 0;
    const char *hello = "hello";
    /* What handlers read has to be in memory. */
    fprintf(stderr, "%s %s %s %s %d\n", first.name, second.name, hello, first.tag, total);
    for (int i = 0; i < 2; i++)
        r += add(-5 - i, 1L << 40, 'x', 65535, hello, &first, 77);
    struct big b = make(42);
    double h = half(3.0, 9);
    node_t *w = walk(&first, 5);
    printf("program: %d %ld %f %s\n", r, b.a[0], h, w->name);
    return count_up(10) + count_up(10) - 44;
}
