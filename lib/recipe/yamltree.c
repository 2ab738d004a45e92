/* lib/recipe/yamltree.c - libyaml's events to a tree; refuses what plain data does not need.
 * Read next: lib/recipe/schema.c. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "lib/base/error.h"
#include "lib/recipe/yamltree.h"

#define MAX_DEPTH  16
#define MAX_NBYTES (1u << 20)
#define MAX_ITEMS  1000 /* of one list or map */

typedef struct reader {
    yaml_parser_t parser;
    pe_arena *arena;
    const char *name;
    pe_error *err;
} reader;

pe_status pe_yaml_fail(pe_error *err, pe_status st, const char *name, const pe_yaml *at,
                       const char *fmt, ...)
{
    char text[768];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return pe_fail(err, st, "%s:%d:%d: %s", name, at->line, at->column, text);
}

const pe_yaml *pe_yaml_get(const pe_yaml *map, const char *key)
{
    if (!map || map->kind != PE_YAML_MAP) return NULL;
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->key[i]->text, key) == 0) return map->item[i];
    return NULL;
}

static pe_status fail_at(reader *r, yaml_mark_t mark, const char *what)
{
    return pe_fail(r->err, PE_E_INPUT, "%s:%zu:%zu: %s", r->name, mark.line + 1, mark.column + 1,
                   what);
}

static pe_status parser_error(reader *r)
{
    const char *what = r->parser.problem ? r->parser.problem : "not YAML";

    if (r->parser.error == YAML_MEMORY_ERROR) return pe_fail_nomem(r->err, "YAML parser", 0);
    if (r->parser.error == YAML_READER_ERROR)
        return pe_fail(r->err, PE_E_INPUT, "%s: byte %zu: %s, expected UTF-8 text", r->name,
                       r->parser.problem_offset, what);
    return fail_at(r, r->parser.problem_mark, what);
}

static pe_status next_event(reader *r, yaml_event_t *e)
{
    return yaml_parser_parse(&r->parser, e) ? PE_OK : parser_error(r);
}

static pe_yaml *new_node(reader *r, pe_yaml_kind kind, yaml_mark_t mark)
{
    pe_yaml *node = pe_arena_zalloc(r->arena, 1, sizeof *node);

    if (!node) return NULL;
    node->kind = kind;
    node->line = (int)mark.line + 1;
    node->column = (int)mark.column + 1;
    return node;
}

static pe_status refuse_extras(reader *r, const yaml_event_t *e)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;

    if (e->type == YAML_ALIAS_EVENT)
        return fail_at(r, e->start_mark,
                       "found an alias, expected plain data; write the value out");
    if (e->type == YAML_SCALAR_EVENT) {
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
    } else if (e->type == YAML_SEQUENCE_START_EVENT) {
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
    } else if (e->type == YAML_MAPPING_START_EVENT) {
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
    }
    if (anchor) return fail_at(r, e->start_mark, "found an anchor, expected plain data; remove it");
    if (tag) return fail_at(r, e->start_mark, "found a tag, expected plain data; remove it");
    return PE_OK;
}

static pe_status read_scalar(reader *r, pe_yaml **out, const yaml_event_t *e)
{
    pe_yaml *node = new_node(r, PE_YAML_SCALAR, e->start_mark);
    const char *text = (const char *)e->data.scalar.value;

    if (strlen(text) != e->data.scalar.length)
        return fail_at(r, e->start_mark, "found a zero byte in the text, expected none");
    if (node) node->text = pe_arena_strndup(r->arena, text, e->data.scalar.length);
    if (!node || !node->text) return pe_fail_nomem(r->err, "YAML text", e->data.scalar.length);
    node->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    *out = node;
    return PE_OK;
}

/* Items collected on the heap while a list or map is open, kept in the arena when it closes. */
typedef struct items {
    pe_yaml **key, **item;
    size_t n, capacity;
} items;

static pe_status add_item(reader *r, items *t, pe_yaml *key, pe_yaml *item)
{
    if (t->n == MAX_ITEMS)
        return pe_yaml_fail(r->err, PE_E_INPUT, r->name, item,
                            "found more than 1000 items, expected a recipe");
    if (t->n == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 8;
        pe_yaml **keys = realloc(t->key, capacity * sizeof(pe_yaml *)), **values;
        if (keys) t->key = keys;
        values = keys ? realloc(t->item, capacity * sizeof(pe_yaml *)) : NULL;
        if (!values) return pe_fail_nomem(r->err, "YAML items", capacity * sizeof(pe_yaml *));
        t->item = values;
        t->capacity = capacity;
    }
    t->key[t->n] = key;
    t->item[t->n++] = item;
    return PE_OK;
}

static pe_status check_key(reader *r, const items *t, const pe_yaml *key)
{
    if (key->kind != PE_YAML_SCALAR)
        return pe_yaml_fail(r->err, PE_E_INPUT, r->name, key,
                            "found a list or map as a key, expected a word");
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->key[i]->text, key->text) == 0)
            return pe_yaml_fail(r->err, PE_E_INPUT, r->name, key,
                                "found key '%.60s' again, first on line %d; expected each once",
                                key->text, t->key[i]->line);
    }
    return PE_OK;
}

static pe_status keep_items(reader *r, pe_yaml *node, const items *t)
{
    size_t nbytes = (t->n + 1) * sizeof(pe_yaml *);

    node->n = t->n;
    node->key = pe_arena_alloc(r->arena, nbytes);
    node->item = pe_arena_alloc(r->arena, nbytes);
    if (!node->key || !node->item) return pe_fail_nomem(r->err, "YAML items", nbytes);
    if (t->n) memcpy(node->key, t->key, t->n * sizeof(pe_yaml *));
    if (t->n) memcpy(node->item, t->item, t->n * sizeof(pe_yaml *));
    return PE_OK;
}

static pe_status read_node(reader *r, pe_yaml **out, yaml_event_t *e, int depth);

/* Items of a list, or keys and values of a map, up to its end. */
static pe_status read_items(reader *r, pe_yaml *node, int depth)
{
    items t = { 0 };
    pe_yaml *key = NULL, *item = NULL;
    pe_status st = PE_OK;

    for (bool end = false; !st && !end;) {
        yaml_event_t e;
        st = next_event(r, &e);
        if (st) break;
        end = e.type == YAML_SEQUENCE_END_EVENT || e.type == YAML_MAPPING_END_EVENT;
        if (!end) st = read_node(r, &item, &e, depth + 1);
        yaml_event_delete(&e);
        if (st || end) continue;
        if (node->kind == PE_YAML_MAP && !key) {
            key = item;
            st = check_key(r, &t, key);
            continue;
        }
        st = add_item(r, &t, key, item);
        key = NULL;
    }
    if (!st) st = keep_items(r, node, &t);
    free(t.key);
    free(t.item);
    return st;
}

static pe_status read_node(reader *r, pe_yaml **out, yaml_event_t *e, int depth)
{
    pe_yaml *node;
    pe_status st = refuse_extras(r, e);

    if (st) return st;
    if (depth > MAX_DEPTH)
        return fail_at(r, e->start_mark, "found data more than 16 levels deep, expected a recipe");
    if (e->type == YAML_SCALAR_EVENT) return read_scalar(r, out, e);
    node = new_node(r, e->type == YAML_MAPPING_START_EVENT ? PE_YAML_MAP : PE_YAML_LIST,
                    e->start_mark);
    if (!node) return pe_fail_nomem(r->err, "YAML node", sizeof *node);
    *out = node;
    return read_items(r, node, depth);
}

/* Stream start, document start, one node, document end, stream end. */
static pe_status read_document(reader *r, pe_yaml **out)
{
    pe_status st = PE_OK;
    bool seen = false;

    for (bool end = false; !st && !end;) {
        yaml_event_t e;
        st = next_event(r, &e);
        if (st) return st;
        switch (e.type) {
        case YAML_STREAM_END_EVENT: end = true; break;
        case YAML_DOCUMENT_START_EVENT:
            if (e.data.document_start.version_directive ||
                e.data.document_start.tag_directives.start !=
                    e.data.document_start.tag_directives.end)
                st = fail_at(r, e.start_mark, "found a directive, expected plain data; remove it");
            else if (seen)
                st =
                    fail_at(r, e.start_mark, "found a second document, expected one recipe a file");
            break;
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_END_EVENT: break;
        default: seen = true; st = read_node(r, out, &e, 1);
        }
        yaml_event_delete(&e);
    }
    if (!st && !seen)
        st = pe_fail(r->err, PE_E_INPUT, "%s:1:1: found nothing, expected a recipe", r->name);
    return st;
}

pe_status pe_yaml_parse(pe_yaml **out, pe_arena *arena, const char *text, size_t nbytes,
                        const char *name, pe_error *err)
{
    reader r = { .arena = arena, .name = name, .err = err };
    pe_status st;

    if (nbytes > MAX_NBYTES)
        return pe_fail(err, PE_E_INPUT, "%s: found %zu bytes, expected a recipe of at most 1 MiB",
                       name, nbytes);
    if (!yaml_parser_initialize(&r.parser)) return pe_fail_nomem(err, "YAML parser", 0);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, nbytes);
    st = read_document(&r, out);
    yaml_parser_delete(&r.parser);
    return st;
}
