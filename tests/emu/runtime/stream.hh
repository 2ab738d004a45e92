/* stream.hh - streams as queues that run only when something waits for them, and events.
 * Read next: stream.cc, api_stream.cc. */
#ifndef PE_TESTS_EMU_STREAM_HH
#define PE_TESTS_EMU_STREAM_HH

#include <deque>
#include <memory>
#include <vector>

#include "tests/emu/runtime/common.hh"

namespace emu
{

struct Stream;

/* A place in a stream: everything up to the n-th piece of work. */
struct Place {
    std::shared_ptr<Stream> stream;
    u64 n = 0;
};

struct Work {
    std::string what;
    std::function<void()> run;
    bool needs_heap = false; /* host code that touches device memory */
    std::vector<Place> after;
};

/* The legacy default stream waits for all blocking streams, and they for it: work put into it
 * comes after all work that blocking streams have, and work put into these after all of its.
 * Streams made with cudaStreamNonBlocking have no part in that. */
struct Stream {
    int device = 0;
    bool blocking = true;
    int priority = 0;
    std::deque<Work> queue;
    u64 done = 0, put = 0; /* pieces of work that have run, and that were put in */
    bool running = false;
    bool destroyed = false;
    int polls = 0; /* queries since work was last put in */
};

struct Event {
    int device = current_device();
    bool timed = true;
    bool recorded = false;
    Place at;
    std::shared_ptr<u64> time = std::make_shared<u64>(0);
    int polls = 0;
};

/* The stream of a handle; NULL when there is none. 0 and cudaStreamLegacy are the default one. */
std::shared_ptr<Stream> stream_of(cudaStream_t s);
/* NULL, too, where a stream belongs to another device than the thread's: what may not be launched.
 */
std::shared_ptr<Stream> stream_here(cudaStream_t s);
cudaStream_t make_stream(bool blocking, int priority);
/* Ends a stream. Work that it still has is a violation and is dropped. */
void end_stream(cudaStream_t s);

void put(const std::shared_ptr<Stream> &s, Work work);
void run_until(const Place &place);
void run_stream(const std::shared_ptr<Stream> &s);
void run_everything();
bool is_done(const Place &place);
/* A query finds work: the first one leaves it alone, the next ones run one piece each, so that a
 * loop that polls ends. */
void polled(const Place &place, int *polls);
Place now(const std::shared_ptr<Stream> &s);
u64 made_up_time(); /* grows with the work that was done */

} // namespace emu

#endif
