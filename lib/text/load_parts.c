/* lib/text/load_parts.c - normalizer, pre-tokenizer, post-processor and decoder of tokenizer.json.
 * What pe lacks is refused by name. Read next: lib/text/load_json.c. */
#include <stdio.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/text/tokenizer.h"

enum { PLACE = 512 };

/* "FILE: part" for messages. */
static const char *place(char where[PLACE], const char *path, const char *part)
{
    snprintf(where, PLACE, "%s: %s", path, part);
    return where;
}

static pe_status refuse(const char *where, const char *type, const char *known, pe_error *err)
{
    return pe_fail(err, PE_E_UNSUPPORTED, "%s: found type \"%.40s\", pe knows %s", where, type,
                   known);
}

static pe_status push(pe_normalizer *z, pe_norm_step step, pe_error *err)
{
    if (z->nsteps == PE_NORM_MAX_STEPS)
        return pe_fail(err, PE_E_UNSUPPORTED, "normalizer: more than %d steps",
                       (int)PE_NORM_MAX_STEPS);
    z->step[z->nsteps++] = (uint8_t)step;
    return PE_OK;
}

pe_status pe_normalizer_bert(pe_normalizer *z, const pe_bert_norm *o, pe_error *err)
{
    pe_status st = PE_OK;
    if (o->clean_text) st = push(z, PE_NORM_CLEAN, err);
    if (!st && o->chinese) st = push(z, PE_NORM_CJK, err);
    if (!st && o->strip_accents) st = push(z, PE_NORM_NFD, err);
    if (!st && o->strip_accents) st = push(z, PE_NORM_STRIP_MN, err);
    if (!st && o->lowercase) st = push(z, PE_NORM_LOWER, err);
    return st;
}

static pe_status bert_normalizer(pe_normalizer *z, const json_t *o, const char *where,
                                 pe_error *err)
{
    pe_bert_norm b = { .clean_text = true, .chinese = true, .lowercase = true };
    pe_status st = pe_json_bool(&b.clean_text, o, "clean_text", false, where, err);
    if (!st) st = pe_json_bool(&b.chinese, o, "handle_chinese_chars", false, where, err);
    if (!st) st = pe_json_bool(&b.lowercase, o, "lowercase", false, where, err);
    b.strip_accents = b.lowercase; /* what null means */
    if (!st) st = pe_json_bool(&b.strip_accents, o, "strip_accents", false, where, err);
    return st ? st : pe_normalizer_bert(z, &b, err);
}

/* One member of a Sequence, or the whole; a Sequence does not hold another one. */
static pe_status one_normalizer(pe_normalizer *z, const json_t *o, const char *where, pe_error *err)
{
    const char *type = NULL;
    pe_status st = pe_json_str(&type, o, "type", true, where, err);
    if (st) return st;
    if (!strcmp(type, "BertNormalizer")) return bert_normalizer(z, o, where, err);
    if (!strcmp(type, "Lowercase")) return push(z, PE_NORM_LOWER, err);
    if (!strcmp(type, "NFD")) return push(z, PE_NORM_NFD, err);
    return refuse(where, type, "BertNormalizer, Lowercase, NFD and a Sequence of them", err);
}

/* The members of a Sequence under `key`, NULL when o is no Sequence. */
static pe_status sequence(const json_t **out, const json_t *o, const char *key, const char *where,
                          pe_error *err)
{
    const char *type = NULL;
    pe_status st = pe_json_str(&type, o, "type", true, where, err);
    if (st) return st;
    *out = strcmp(type, "Sequence") ? NULL : json_object_get(o, key);
    if (strcmp(type, "Sequence") || json_is_array(*out)) return PE_OK;
    return pe_fail(err, PE_E_INPUT, "%s: a Sequence without the list \"%s\"", where, key);
}

pe_status pe_load_normalizer(pe_normalizer *z, const json_t *o, const char *path, pe_error *err)
{
    char where[PLACE];
    const json_t *list = NULL;
    if (!o || json_is_null(o)) return PE_OK;
    pe_status st = sequence(&list, o, "normalizers", place(where, path, "normalizer"), err);
    if (!st && !list) return one_normalizer(z, o, where, err);
    for (size_t i = 0; !st && i < json_array_size(list); i++)
        st = one_normalizer(z, json_array_get(list, i), where, err);
    return st;
}

static pe_status one_pretokenizer(pe_pretokenizer *out, const json_t *o, const char *where,
                                  pe_error *err)
{
    const char *type = NULL;
    pe_status st = pe_json_str(&type, o, "type", true, where, err);
    if (st) return st;
    if (!strcmp(type, "BertPreTokenizer")) *out = PE_PRETOK_BERT;
    else if (strcmp(type, "WhitespaceSplit") != 0)
        return refuse(where, type, "BertPreTokenizer, WhitespaceSplit and a Sequence of them", err);
    else if (*out == PE_PRETOK_NONE) *out = PE_PRETOK_SPACE; /* BERT's cuts include these */
    return PE_OK;
}

pe_status pe_load_pretokenizer(pe_pretokenizer *out, const json_t *o, const char *path,
                               pe_error *err)
{
    char where[PLACE];
    const json_t *list = NULL;
    *out = PE_PRETOK_NONE;
    if (!o || json_is_null(o)) return PE_OK;
    pe_status st = sequence(&list, o, "pretokenizers", place(where, path, "pre_tokenizer"), err);
    if (!st && !list) return one_pretokenizer(out, o, where, err);
    for (size_t i = 0; !st && i < json_array_size(list); i++)
        st = one_pretokenizer(out, json_array_get(list, i), where, err);
    return st;
}

pe_status pe_template_bert(pe_tokenizer *t, int32_t cls, int32_t sep, pe_error *err)
{
    const pe_template_item item[] = {
        { .special = true, .id = cls },
        { .sequence = 0 },
        { .special = true, .id = sep },
        { .sequence = 1, .type_id = 1 },
        { .special = true, .id = sep, .type_id = 1 },
    };
    pe_status st = PE_OK;
    for (size_t i = 0; !st && i < 3; i++) st = pe_template_add(&t->single, item[i], err);
    for (size_t i = 0; !st && i < 5; i++) st = pe_template_add(&t->pair, item[i], err);
    return st;
}

static pe_status no_template(pe_tokenizer *t, pe_error *err)
{
    const pe_template_item a = { .sequence = 0 }, b = { .sequence = 1, .type_id = 1 };
    pe_status st = pe_template_add(&t->single, a, err);
    if (!st) st = pe_template_add(&t->pair, a, err);
    return st ? st : pe_template_add(&t->pair, b, err);
}

/* An id that some token has. */
static pe_status known_id(int32_t *out, const pe_tokenizer *t, const json_t *v, const char *where,
                          pe_error *err)
{
    json_int_t id = json_is_integer(v) ? json_integer_value(v) : -1;
    if (id < 0 || id >= PE_VOCAB_MAX_IDS || !pe_tokenizer_token(t, (int32_t)id))
        return pe_fail(err, PE_E_INPUT, "%s: found id %lld, expected the id of a token", where,
                       (long long)id);
    *out = (int32_t)id;
    return PE_OK;
}

static pe_status bert_processing(pe_tokenizer *t, const json_t *o, const char *where, pe_error *err)
{
    int32_t cls = 0, sep = 0;
    pe_status st = known_id(&cls, t, json_array_get(json_object_get(o, "cls"), 1), where, err);
    if (!st) st = known_id(&sep, t, json_array_get(json_object_get(o, "sep"), 1), where, err);
    return st ? st : pe_template_bert(t, cls, sep, err);
}

static pe_status template_special(pe_template *tp, const pe_tokenizer *t, const char *name,
                                  int64_t type_id, const json_t *specials, const char *where,
                                  pe_error *err)
{
    const json_t *ids = json_object_get(json_object_get(specials, name), "ids");
    if (!json_is_array(ids))
        return pe_fail(err, PE_E_INPUT, "%s: special token \"%.40s\" has no ids in special_tokens",
                       where, name);
    pe_status st = PE_OK;
    for (size_t i = 0; !st && i < json_array_size(ids); i++) {
        pe_template_item it = { .special = true, .type_id = (int32_t)type_id };
        st = known_id(&it.id, t, json_array_get(ids, i), where, err);
        if (!st) st = pe_template_add(tp, it, err);
    }
    return st;
}

/* seen: bit 0 and 1 for the texts that the template holds. */
static pe_status template_piece(pe_template *tp, unsigned *seen, const pe_tokenizer *t,
                                const json_t *o, const json_t *specials, const char *where,
                                pe_error *err)
{
    const json_t *special = json_object_get(o, "SpecialToken"),
                 *seq = json_object_get(o, "Sequence");
    const json_t *piece = special ? special : seq;
    const char *id = NULL;
    int64_t type_id = 0;
    pe_status st = pe_json_str(&id, piece, "id", true, where, err);
    if (!st) st = pe_json_int(&type_id, piece, "type_id", 0, INT32_MAX, true, where, err);
    if (st) return st;
    if (special) return template_special(tp, t, id, type_id, specials, where, err);
    if (strcmp(id, "A") && strcmp(id, "B"))
        return pe_fail(err, PE_E_INPUT, "%s: sequence \"%.40s\", expected A or B", where, id);
    pe_template_item it = { .sequence = *id == 'B', .type_id = (int32_t)type_id };
    *seen |= 1u << it.sequence;
    return pe_template_add(tp, it, err);
}

static pe_status template_list(pe_template *tp, unsigned expected, const pe_tokenizer *t,
                               const json_t *o, const char *key, const char *where, pe_error *err)
{
    const json_t *list = json_object_get(o, key), *specials = json_object_get(o, "special_tokens");
    unsigned seen = 0;
    pe_status st = PE_OK;
    if (!json_is_array(list)) return pe_fail(err, PE_E_INPUT, "%s: no list \"%s\"", where, key);
    for (size_t i = 0; !st && i < json_array_size(list); i++)
        st = template_piece(tp, &seen, t, json_array_get(list, i), specials, where, err);
    if (!st && seen != expected)
        st = pe_fail(err, PE_E_INPUT, "%s: \"%s\" must hold %s", where, key,
                     expected == 1 ? "sequence A alone" : "the sequences A and B");
    return st;
}

pe_status pe_load_postprocessor(pe_tokenizer *t, const json_t *o, const char *path, pe_error *err)
{
    char where[PLACE];
    const char *type = NULL;
    if (!o || json_is_null(o)) return no_template(t, err);
    pe_status st = pe_json_str(&type, o, "type", true, place(where, path, "post_processor"), err);
    if (st) return st;
    if (!strcmp(type, "BertProcessing")) return bert_processing(t, o, where, err);
    if (strcmp(type, "TemplateProcessing") != 0)
        return refuse(where, type, "BertProcessing and TemplateProcessing", err);
    st = template_list(&t->single, 1, t, o, "single", where, err);
    return st ? st : template_list(&t->pair, 3, t, o, "pair", where, err);
}

pe_status pe_load_decoder(pe_decoder *d, const json_t *o, const char *path, pe_error *err)
{
    char where[PLACE];
    const char *type = NULL, *prefix = "##";
    if (!o || json_is_null(o)) return PE_OK;
    pe_status st = pe_json_str(&type, o, "type", true, place(where, path, "decoder"), err);
    if (!st && strcmp(type, "WordPiece") != 0) st = refuse(where, type, "WordPiece", err);
    if (!st) st = pe_json_str(&prefix, o, "prefix", false, where, err);
    d->kind = PE_DECODER_WORDPIECE;
    d->cleanup = true;
    if (!st) st = pe_json_bool(&d->cleanup, o, "cleanup", false, where, err);
    if (!st && !(d->prefix = strdup(prefix))) st = pe_fail_nomem(err, where, strlen(prefix));
    return st;
}
