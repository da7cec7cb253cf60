// The least there is: a queue of callbacks in memory that the caller owns, run in rounds.
#include "loop_nop.h"

namespace {

struct Item {
    Item* next;
    void (*callback)(Item& item, void* user);
    void* user;
};

class Subject {
  public:
    Subject(bench::Parameters&) {}
    void run() {
        for (long i = 0; i < bench::outstanding; ++i) {
            items_[i] = {nullptr, called, this};
            push(items_[i]);
        }
        while (Item* item = first_) {
            first_ = nullptr;
            last_ = &first_;
            while (item != nullptr) {
                Item* const next = item->next;
                item->callback(*item, item->user);
                item = next;
            }
        }
    }

  private:
    void push(Item& item) {
        item.next = nullptr;
        *last_ = &item;
        last_ = &item.next;
    }
    static void called(Item& item, void* user) {
        Subject& self = *static_cast<Subject*>(user);
        if (bench::goes_on()) {
            self.push(item);
        }
    }

    Item* first_ = nullptr;
    Item** last_ = &first_;
    Item items_[bench::outstanding_max] = {};
};

} // namespace

int main(int argc, char** argv) {
    return bench::run_loop_nop<Subject>(argc, argv);
}
