/* api_stream.cc - streams and events. Read next: stream.cc. */
#include "tests/emu/runtime/api.hh"

#include <map>

namespace emu
{

static std::map<cudaEvent_t, std::unique_ptr<Event>> &events()
{
    static auto *m = new std::map<cudaEvent_t, std::unique_ptr<Event>>;
    return *m;
}

static Event *event_of(cudaEvent_t e)
{
    auto i = events().find(e);
    return i == events().end() ? nullptr : i->second.get();
}

static cudaError_t create_stream(cudaStream_t *s, unsigned int flags, int priority)
{
    if (!s || (flags & ~(unsigned int)cudaStreamNonBlocking)) return cudaErrorInvalidValue;
    *s = make_stream(!flags, priority);
    return cudaSuccess;
}

static cudaError_t create_event(cudaEvent_t *e, unsigned int flags)
{
    unsigned int known = cudaEventBlockingSync | cudaEventDisableTiming;
    if (!e || (flags & ~known)) return cudaErrorInvalidValue;
    auto event = std::make_unique<Event>();
    event->timed = !(flags & cudaEventDisableTiming);
    *e = (cudaEvent_t)event.get();
    events()[*e] = std::move(event);
    return cudaSuccess;
}

static cudaError_t record(cudaEvent_t handle, cudaStream_t stream)
{
    Event *e = event_of(handle);
    auto s = stream_of(stream);
    if (!e || !s || (stream && s->device != e->device)) return cudaErrorInvalidResourceHandle;
    auto time = e->time = std::make_shared<u64>(0);
    put(s, { "cudaEventRecord", [time] { *time = made_up_time(); }, false, {} });
    e->recorded = true;
    e->at = now(s);
    e->polls = 0;
    return cudaSuccess;
}

static cudaError_t wait(cudaStream_t stream, cudaEvent_t handle, unsigned int flags)
{
    Event *e = event_of(handle);
    auto s = stream_of(stream);
    if (!e || !s) return cudaErrorInvalidResourceHandle;
    if (flags) return cudaErrorInvalidValue;
    if (!e->recorded || is_done(e->at)) return cudaSuccess;
    put(s, { "cudaStreamWaitEvent", [] {}, false, { e->at } });
    return cudaSuccess;
}

} // namespace emu

using namespace emu;

extern "C" {

cudaError_t cudaStreamCreate(cudaStream_t *s)
{
    Call call("cudaStreamCreate");
    if (call.refused()) return call.error();
    return call.done(create_stream(s, cudaStreamDefault, 0));
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned int flags)
{
    Call call("cudaStreamCreateWithFlags");
    if (call.refused()) return call.error();
    return call.done(create_stream(s, flags, 0));
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *s, unsigned int flags, int priority)
{
    Call call("cudaStreamCreateWithPriority");
    if (call.refused()) return call.error();
    return call.done(create_stream(s, flags, priority));
}

cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest)
{
    Call call("cudaDeviceGetStreamPriorityRange");
    if (call.refused()) return call.error();
    if (least) *least = 0;
    if (greatest) *greatest = -5;
    return call.done(cudaSuccess);
}

cudaError_t cudaStreamDestroy(cudaStream_t s)
{
    Call call("cudaStreamDestroy");
    if (call.refused()) return call.error();
    if (!s || s == cudaStreamLegacy || !stream_of(s))
        return call.done(cudaErrorInvalidResourceHandle);
    end_stream(s);
    return call.done(cudaSuccess);
}

cudaError_t cudaStreamSynchronize(cudaStream_t s)
{
    Call call("cudaStreamSynchronize");
    if (call.refused()) return call.error();
    auto stream = stream_of(s);
    if (!stream) return call.done(cudaErrorInvalidResourceHandle);
    run_stream(stream);
    shrink_pools();
    return call.done(cudaSuccess);
}

cudaError_t cudaStreamQuery(cudaStream_t s)
{
    Call call("cudaStreamQuery");
    if (call.refused()) return call.error();
    auto stream = stream_of(s);
    if (!stream) return call.done(cudaErrorInvalidResourceHandle);
    if (is_done(now(stream))) return call.done(cudaSuccess);
    polled(now(stream), &stream->polls);
    return call.done(cudaErrorNotReady);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned int flags)
{
    Call call("cudaStreamWaitEvent");
    if (call.refused()) return call.error();
    return call.done(emu::wait(s, e, flags));
}

cudaError_t cudaStreamGetFlags(cudaStream_t s, unsigned int *flags)
{
    Call call("cudaStreamGetFlags");
    if (call.refused()) return call.error();
    auto stream = stream_of(s);
    if (!stream) return call.done(cudaErrorInvalidResourceHandle);
    if (!flags) return call.done(cudaErrorInvalidValue);
    *flags = stream->blocking ? cudaStreamDefault : cudaStreamNonBlocking;
    return call.done(cudaSuccess);
}

cudaError_t cudaEventCreate(cudaEvent_t *e)
{
    Call call("cudaEventCreate");
    if (call.refused()) return call.error();
    return call.done(create_event(e, cudaEventDefault));
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned int flags)
{
    Call call("cudaEventCreateWithFlags");
    if (call.refused()) return call.error();
    return call.done(create_event(e, flags));
}

cudaError_t cudaEventDestroy(cudaEvent_t e)
{
    Call call("cudaEventDestroy");
    if (call.refused()) return call.error();
    return call.done(events().erase(e) ? cudaSuccess : cudaErrorInvalidResourceHandle);
}

cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s)
{
    Call call("cudaEventRecord");
    if (call.refused()) return call.error();
    return call.done(record(e, s));
}

cudaError_t cudaEventSynchronize(cudaEvent_t e)
{
    Call call("cudaEventSynchronize");
    if (call.refused()) return call.error();
    Event *event = event_of(e);
    if (!event) return call.done(cudaErrorInvalidResourceHandle);
    if (event->recorded) run_until(event->at);
    shrink_pools();
    return call.done(cudaSuccess);
}

cudaError_t cudaEventQuery(cudaEvent_t e)
{
    Call call("cudaEventQuery");
    if (call.refused()) return call.error();
    Event *event = event_of(e);
    if (!event) return call.done(cudaErrorInvalidResourceHandle);
    if (!event->recorded || is_done(event->at)) return call.done(cudaSuccess);
    polled(event->at, &event->polls);
    return call.done(cudaErrorNotReady);
}

/* Made up: it grows with the work between the two, and is the same in every run. */
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t start, cudaEvent_t end)
{
    Call call("cudaEventElapsedTime");
    if (call.refused()) return call.error();
    Event *a = event_of(start), *b = event_of(end);
    if (!a || !b || !a->timed || !b->timed || !a->recorded || !b->recorded) {
        return call.done(cudaErrorInvalidResourceHandle);
    }
    if (!ms) return call.done(cudaErrorInvalidValue);
    if (!is_done(a->at) || !is_done(b->at)) return call.done(cudaErrorNotReady);
    *ms = (float)((double)(s64)(*b->time - *a->time) * 1e-6);
    return call.done(cudaSuccess);
}

} // extern "C"
