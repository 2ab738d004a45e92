/* stream.cc - runs the work of streams when something waits for it. Read next: stream.hh. */
#include "tests/emu/runtime/stream.hh"

#include "tests/emu/runtime/heap.hh"

#include <algorithm>
#include <map>

namespace emu
{

namespace
{

struct Streams {
    std::shared_ptr<Stream> legacy = std::make_shared<Stream>();
    std::map<cudaStream_t, std::shared_ptr<Stream>> named;
    Random random{ options().seed };
    u64 time = 0;
};

Streams &streams()
{
    static Streams *s = new Streams;
    return *s;
}

} // namespace

std::shared_ptr<Stream> stream_of(cudaStream_t s)
{
    if (s == nullptr || s == cudaStreamLegacy) return streams().legacy;
    auto i = streams().named.find(s);
    return i == streams().named.end() ? nullptr : i->second;
}

std::shared_ptr<Stream> stream_here(cudaStream_t handle)
{
    auto s = stream_of(handle);
    return s && (s == streams().legacy || s->device == current_device()) ? s : nullptr;
}

cudaStream_t make_stream(bool blocking, int priority)
{
    auto s = std::make_shared<Stream>();
    s->device = current_device();
    s->blocking = blocking;
    s->priority = priority;
    cudaStream_t handle = (cudaStream_t)s.get();
    streams().named[handle] = s;
    return handle;
}

void end_stream(cudaStream_t handle)
{
    auto s = stream_of(handle);
    if (!s->queue.empty()) {
        violation("a stream with work that nothing waited for was destroyed; the first is %s",
                  s->queue.front().what.c_str());
    }
    s->destroyed = true;
    s->done = s->put;
    s->queue.clear();
    streams().named.erase(handle);
}

bool is_done(const Place &place)
{
    return !place.stream || place.stream->done >= place.n;
}

Place now(const std::shared_ptr<Stream> &s)
{
    return { s, s->put };
}

u64 made_up_time()
{
    return streams().time;
}

void put(const std::shared_ptr<Stream> &s, Work work)
{
    auto after = [&](const std::shared_ptr<Stream> &other) {
        if (!other->queue.empty()) work.after.push_back(now(other));
    };
    if (s == streams().legacy) {
        for (auto &other : streams().named) {
            if (other.second->blocking) after(other.second);
        }
    } else if (s->blocking) {
        after(streams().legacy);
    }
    s->put++;
    s->polls = 0;
    s->queue.push_back(std::move(work));
}

static void run_work(Work &work)
{
    streams().time += 1000;
    if (sticky_error() != cudaSuccess) return; /* the context is lost: nothing runs any more */
    try {
        if (work.needs_heap) heap().open();
        work.run();
        if (work.needs_heap) heap().close();
    } catch (const Fault &f) {
        if (work.needs_heap) heap().close();
        report(f.code, f.text);
    }
}

static void run_first(const std::shared_ptr<Stream> &s)
{
    Work work = std::move(s->queue.front());
    s->running = true;
    for (const Place &p : work.after) run_until(p);
    run_work(work);
    s->running = false;
    if (!s->queue.empty()) s->queue.pop_front();
    s->done++;
}

/* Under the other schedules, streams that nobody waits for run too, early instead of late. */
static void run_others(const std::shared_ptr<Stream> &waited_for)
{
    Sched sched = options().sched;
    if (sched == Sched::Forward) return;
    std::vector<std::shared_ptr<Stream>> all;
    for (auto &n : streams().named) all.push_back(n.second);
    all.push_back(streams().legacy);
    for (auto s = all.rbegin(); s != all.rend(); s++) {
        while (*s != waited_for && !(*s)->running && !(*s)->queue.empty() &&
               (sched == Sched::Reverse || streams().random.below(2))) {
            run_first(*s);
        }
    }
}

void run_until(const Place &place)
{
    const std::shared_ptr<Stream> &s = place.stream;
    while (!is_done(place)) {
        if (s->running) {
            violation("streams wait for each other in a circle, at %s",
                      s->queue.front().what.c_str());
            return;
        }
        if (s->queue.empty()) return;
        run_first(s);
    }
}

void run_stream(const std::shared_ptr<Stream> &s)
{
    run_others(s);
    run_until(now(s));
}

void run_everything()
{
    std::vector<std::shared_ptr<Stream>> all = { streams().legacy };
    for (auto &n : streams().named) all.push_back(n.second);
    if (options().sched == Sched::Reverse) std::reverse(all.begin(), all.end());
    for (auto &s : all) run_until(now(s));
}

void polled(const Place &place, int *polls)
{
    if ((*polls)++ > 0 && !place.stream->running) run_first(place.stream);
}

cudaError_t enqueue(cudaStream_t handle, const char *what, std::function<void()> work)
{
    std::lock_guard<std::recursive_mutex> hold(runtime_mutex());
    if (sticky_error() != cudaSuccess) return sticky_error();
    auto s = stream_here(handle);
    if (!s) return cudaErrorInvalidResourceHandle;
    put(s, { what, std::move(work), true, {} });
    return cudaSuccess;
}

} // namespace emu
