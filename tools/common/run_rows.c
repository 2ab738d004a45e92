/* tools/common/run_rows.c - lines of text or ids become rows of tokens.
 * Read next: tools/common/run_rows.h. */
#include "tools/common/run_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONGEST_LINE ((size_t)64 << 20)

struct pe_run_source {
    const pe_strings *texts;
    size_t next_text;
    int fd;
    const char *name;
    bool pairs, ids, ended;
    char *buffer;
    size_t begin, end, cap, line;
};

static _Noreturn void fail(pe_status st, const char *name, size_t line, const char *what)
{
    pe_error err = { .status = st };
    snprintf(err.text, sizeof err.text, "%s:%zu: %s", name, line, what);
    pe_tool_fail(&err);
}

static void *need(void *p)
{
    pe_error err = { PE_E_NOMEM, "out of memory while reading the input" };
    if (!p) pe_tool_fail(&err);
    return p;
}

pe_run_source *pe_run_source_open(const pe_strings *texts, size_t first, const char *file,
                                  bool pairs, bool ids)
{
    pe_run_source *s = need(calloc(1, sizeof *s));
    pe_error err = { .status = PE_E_NOTFOUND };
    s->texts = file ? NULL : texts;
    s->next_text = first;
    s->pairs = pairs;
    s->ids = ids;
    s->fd = -1;
    s->name = "text";
    if (!file) return s;
    bool standard = strcmp(file, "-") == 0;
    s->name = standard ? "stdin" : file;
    s->fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    snprintf(err.text, sizeof err.text, "%s: %s", file, strerror(errno));
    if (s->fd < 0) pe_tool_fail(&err);
    return s;
}

void pe_run_source_close(pe_run_source *s)
{
    if (s->fd > STDIN_FILENO) (void)close(s->fd);
    free(s->buffer);
    free(s);
}

/* ---- lines --------------------------------------------------------------------------------- */

/* More bytes behind what is there; false at the end. */
static bool fill(pe_run_source *s)
{
    if (s->begin) memmove(s->buffer, s->buffer + s->begin, s->end - s->begin);
    s->end -= s->begin;
    s->begin = 0;
    if (s->end + 1 >= s->cap) {
        s->cap = s->cap ? s->cap * 2 : 1 << 16;
        if (s->cap > LONGEST_LINE)
            fail(PE_E_INPUT, s->name, s->line + 1, "a line of more than 64 MiB");
        s->buffer = need(realloc(s->buffer, s->cap));
    }
    ssize_t n;
    do n = read(s->fd, s->buffer + s->end, s->cap - s->end - 1);
    while (n < 0 && errno == EINTR);
    if (n < 0) fail(PE_E_NOTFOUND, s->name, s->line + 1, strerror(errno));
    s->end += (size_t)n;
    return n > 0;
}

/* Whether reading would wait for somebody to type or send more. */
static bool would_wait(const pe_run_source *s)
{
    struct pollfd p = { .fd = s->fd, .events = POLLIN };
    return poll(&p, 1, 0) == 0;
}

/* The next line without its end, in the buffer until the next call; NULL: the input ended, or
 * (hurry) no whole line is there yet. */
static char *next_line(pe_run_source *s, size_t *nbytes, bool hurry)
{
    for (;;) {
        char *p = s->buffer + s->begin,
             *nl = s->end > s->begin ? memchr(p, '\n', s->end - s->begin) : NULL;
        if (nl || (s->ended && s->end > s->begin)) {
            size_t n = nl ? (size_t)(nl - p) : s->end - s->begin;
            s->begin += n + (nl != NULL);
            s->line++;
            if (n && p[n - 1] == '\r') n--;
            p[n] = '\0';
            *nbytes = n;
            if (memchr(p, '\0', n)) fail(PE_E_INPUT, s->name, s->line, "a NUL byte in the text");
            return p;
        }
        if (s->ended || (hurry && would_wait(s))) return NULL;
        s->ended = !fill(s);
    }
}

/* ---- rows ---------------------------------------------------------------------------------- */

static void take_text(pe_run_row *row, const pe_run_source *s, const char *text)
{
    const char *tab = s->pairs ? strchr(text, '\t') : NULL;
    if (s->pairs && !tab)
        fail(PE_E_INPUT, s->name, row->line, "no tab: with --pairs a line is TEXT<tab>TEXT");
    row->text = need(tab ? strndup(text, (size_t)(tab - text)) : strdup(text));
    row->text2 = tab ? need(strdup(tab + 1)) : NULL;
}

static int32_t *take_list(const json_t *list, size_t n, const pe_run_source *s, size_t line,
                          const char *key)
{
    char what[120];
    int32_t *v = need(calloc(n ? n : 1, sizeof *v));
    snprintf(what, sizeof what, "\"%s\": expected a list of %zu numbers", key, n);
    if (json_array_size(list) != n) fail(PE_E_INPUT, s->name, line, what);
    for (size_t i = 0; i < n; i++) {
        const json_t *x = json_array_get(list, i);
        json_int_t number = json_integer_value(x);
        if (!json_is_integer(x) || number < 0 || number > INT32_MAX)
            fail(PE_E_INPUT, s->name, line, what);
        v[i] = (int32_t)number;
    }
    return v;
}

static void take_ids(pe_run_row *row, const pe_run_source *s, const char *text, size_t nbytes)
{
    static const char *const known[] = { "input_ids", "attention_mask", "token_type_ids",
                                         "task_type_ids" };
    int32_t **to[] = { &row->ids, &row->pos, &row->types,
                       &row->tasks }; /* pos holds the mask for now */
    json_error_t e;
    const char *key;
    json_t *value, *o = json_loadb(text, nbytes, JSON_REJECT_DUPLICATES, &e);
    if (!json_is_object(o)) fail(PE_E_INPUT, s->name, row->line, "expected {\"input_ids\": [..]}");
    row->n = row->width = json_array_size(json_object_get(o, "input_ids"));
    if (!row->n)
        fail(PE_E_INPUT, s->name, row->line,
             "\"input_ids\": expected a list of at least one number");
    json_object_foreach(o, key, value)
    {
        size_t k = 0;
        char what[200];
        while (k < 4 && strcmp(known[k], key) != 0) k++;
        snprintf(what, sizeof what,
                 "unknown key \"%.60s\"; expected input_ids, attention_mask, token_type_ids or "
                 "task_type_ids",
                 key);
        if (k < 4) *to[k] = take_list(value, row->n, s, row->line, key);
        else fail(PE_E_INPUT, s->name, row->line, what);
    }
    json_decref(o);
}

size_t pe_run_source_next(pe_run_source *s, pe_run_row *rows, size_t most)
{
    size_t n = 0, nbytes;
    if (s->texts) {
        for (; n < most && s->next_text < s->texts->n; n++) {
            rows[n] = (pe_run_row){ .file = s->name, .line = ++s->line };
            take_text(&rows[n], s, s->texts->v[s->next_text++]);
        }
        return n;
    }
    for (char *line; n < most && (line = next_line(s, &nbytes, n > 0)); n++) {
        rows[n] = (pe_run_row){ .file = s->name, .line = s->line };
        if (s->ids) take_ids(&rows[n], s, line, nbytes);
        else take_text(&rows[n], s, line);
    }
    return n;
}

static void *copy(const void *from, size_t nbytes)
{
    return memcpy(need(malloc(nbytes + 1)), from, nbytes);
}

void pe_run_row_encode(pe_run_row *row, const pe_tokenizer *t, pe_encoding *e,
                       const pe_encode_params *p)
{
    pe_error err = { 0 };
    size_t n2 = row->text2 ? strlen(row->text2) : 0;
    if (pe_tokenizer_encode(e, t, row->text, strlen(row->text), row->text2, n2, p, &err)) {
        char text[sizeof err.text];
        memcpy(text, err.text, sizeof text);
        snprintf(err.text, sizeof err.text, "%.400s:%zu: %.500s", row->file, row->line, text);
        pe_tool_fail(&err);
    }
    row->n = row->width = e->n;
    row->truncated = e->truncated;
    row->ids = copy(e->ids, e->n * sizeof *row->ids);
    row->types = copy(e->type_ids, e->n * sizeof *row->types);
    row->offsets = copy(e->offsets, e->n * sizeof *row->offsets);
    row->special = copy(e->special, e->n);
    row->lead.id = -1;
}

/* One list of an --ids row against what the model has; the mask may hold anything. */
static void check_range(const pe_run_row *row, const int32_t *v, uint32_t limit, const char *key)
{
    char what[200];
    for (size_t i = 0; v && i < row->width; i++) {
        if ((uint32_t)v[i] < limit) continue;
        snprintf(what, sizeof what, "\"%s\"[%zu]: found %ld, the model has 0 to %u", key, i,
                 (long)v[i], limit - 1);
        fail(PE_E_INPUT, row->file, row->line, what);
    }
}

static void check_ids(const pe_run_row *row, const pe_model *m)
{
    const pe_model_info *info = pe_model_get_info(m);
    check_range(row, row->ids, info->vocab, "input_ids");
    if (info->ntypes) check_range(row, row->types, info->ntypes, "token_type_ids");
    if (info->ntasks) check_range(row, row->tasks, info->ntasks, "task_type_ids");
}

void pe_run_row_place(pe_run_row *row, const pe_model *m)
{
    size_t width = row->width, n = 0;
    check_ids(row, m);
    int32_t *mask = row->pos, zero = 0;
    row->pos = need(calloc(width, sizeof *row->pos));
    row->place = need(calloc(width, sizeof *row->place));
    pe_model_positions(m, row->pos, row->ids, width);
    row->lead = (pe_lead){ .id = -1 };
    if (mask && !mask[0])
        row->lead = (pe_lead){ row->ids[0], row->types ? row->types[0] : zero,
                               row->tasks ? row->tasks[0] : zero, row->pos[0] };
    for (size_t i = 0; i < width; i++) {
        if (mask && !mask[i]) continue;
        row->ids[n] = row->ids[i];
        row->pos[n] = row->pos[i];
        if (row->types) row->types[n] = row->types[i];
        if (row->tasks) row->tasks[n] = row->tasks[i];
        row->place[n++] = (uint32_t)i;
    }
    row->n = n;
    free(mask);
    size_t most = pe_model_get_info(m)->max_length;
    char what[100];
    snprintf(what, sizeof what, "%zu tokens, the model takes at most %zu", n, most);
    if (most && n > most) fail(PE_E_INPUT, row->file, row->line, what);
    if (!n) fail(PE_E_INPUT, row->file, row->line, "every token is masked");
}

void pe_run_row_release(pe_run_row *row)
{
    void *all[] = { row->text,  row->text2,   row->ids,     row->types,  row->tasks,    row->pos,
                    row->place, row->offsets, row->special, row->logits, row->embedding };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    *row = (pe_run_row){ 0 };
}

int32_t *pe_run_parse_ids(const pe_run_row *row, size_t *n)
{
    const char *text = row->text;
    size_t cap = strlen(text) / 2 + 1;
    int32_t *ids = need(calloc(cap, sizeof *ids));
    const char *p = text;
    *n = 0;
    for (;;) {
        p += strspn(p, " \t[],");
        if (!*p) return ids;
        char *end;
        errno = 0;
        long v = strtol(p, &end, 10);
        if (end == p || errno || v < 0 || v > INT32_MAX)
            fail(PE_E_INPUT, row->file, row->line,
                 "expected token ids, as 101 2023 102 or [101, 2023, 102]");
        ids[(*n)++] = (int32_t)v;
        p = end;
    }
}
