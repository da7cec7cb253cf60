// A control group of its own for one process, which says how much of the kernel's memory is charged
// to it. Making one takes root and a memory controller at its usual place; without it nothing is
// known.
#pragma once

#include "../bench.h"

#include <csignal>
#include <string>
#include <sys/stat.h>
#include <sys/wait.h>

namespace bench {

/// The number that follows `key` in a file of /proc or /sys, or that is the first of it (no key);
/// -1: there is none.
[[nodiscard]] inline i64 number_in(const std::string& path, const char* key) {
    char text[8192] = {};
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const long bytes = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    close(fd);
    const char* const found = bytes < 0 ? nullptr : std::strstr(text, key);
    return found == nullptr ? -1 : std::strtoll(found + std::strlen(key), nullptr, 10);
}

/// There is one at most. It ends with this program, however that ends, and its process with it.
class MemoryGroup {
  public:
    explicit MemoryGroup(pid_t process) {
        process_ = process;
        std::atexit(end);
        const std::string name = "/oxbow-bench-" + std::to_string(getpid());
        if (!enter("/sys/fs/cgroup/memory" + name, "/memory.kmem.usage_in_bytes", "")) {
            (void)enter("/sys/fs/cgroup" + name, "/memory.stat", "\nkernel ");
        }
    }

    /// Bytes; -1: not known.
    [[nodiscard]] i64 kernel_bytes() const {
        return path_.empty() ? -1 : number_in(path_ + file_, key_);
    }

    /// Ends the process and waits for that; how it had ended.
    static int end_process() {
        int status = 0;
        kill(process_, SIGKILL);
        expect("waitpid", waitpid(process_, &status, 0));
        process_ = -1;
        return status;
    }

  private:
    bool enter(const std::string& path, const char* file, const char* key) {
        if (mkdir(path.c_str(), 0755) != 0) {
            return false;
        }
        path_ = path;
        file_ = file;
        key_ = key;
        const std::string text = std::to_string(process_);
        const int fd = open((path + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC);
        const bool entered = write(fd, text.data(), text.size()) > 0;
        close(fd);
        if (!entered || kernel_bytes() < 0) {
            rmdir(path.c_str());
            path_.clear();
        }
        return !path_.empty();
    }
    static void end() {
        if (process_ > 0) {
            end_process();
        }
        if (!path_.empty()) {
            rmdir(path_.c_str());
        }
    }

    static inline pid_t process_ = -1;
    static inline std::string path_;
    const char* file_ = "";
    const char* key_ = "";
};

} // namespace bench
