/* A program of classes, for tests/program_names.rs. */
#include <cstdio>
#include <string>

namespace ns {

struct Base {
    int base = 7;
    virtual ~Base() {}
};

class Shape : public Base {
public:
    int width;
    long height;
    static int made;
    Shape(int width, long height) : width(width), height(height) { made++; }
    __attribute__((noinline, noclone)) long area(int times)
    {
        long total = width * height * times;
        return total + base;
    }
    __attribute__((noinline)) static int count(int more) { return more + made; }
};

int Shape::made = 3;

template <class T> __attribute__((noinline)) T twice(T value) { return value + value; }

__attribute__((noinline)) long take(std::string text, int more, Shape &shape, const Shape *other)
{
    return text.size() + more + shape.width + other->height;
}

}

__attribute__((noinline)) int over(int value) { return value + 1; }
__attribute__((noinline)) int over(double value) { return (int)value + 2; }

int main(int argc, char **)
{
    ns::Shape shape(argc + 2, 4);
    long total = shape.area(argc + 1) + ns::Shape::count(argc) + ns::twice(argc + 20);
    total += ns::take("hello", argc + 5, shape, &shape) + over(argc) + over(argc + 1.0);
    printf("program: %ld\n", total);
}
