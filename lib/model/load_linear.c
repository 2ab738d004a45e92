/* lib/model/load_linear.c - one linear layer as the host arrays that packing reads.
 * Read next: lib/plan/linear.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/checked.h"
#include "lib/base/error.h"
#include "lib/model/model_impl.h"

/* One buffer: weights (f32, or codes), then f32 scales and bias, then codes to be dequantized. */
typedef struct sections {
    float *f32, *scale, *bias;
    int8_t *s8;
} sections;

static pe_status make_room(sections *s, pe_room *room, const pe_linear *l, bool codes,
                           pe_error *err)
{
    uint64_t nelem, total, rows = pe_round_up((size_t)l->n * sizeof(float), 64);
    size_t nbytes;
    bool fits = pe_mul_u64(&nelem, l->n, l->k) &&
                pe_mul_u64(&total, nelem, l->int8 ? 1 : sizeof(float)) &&
                pe_add_u64(&total, total, 2 * rows + 192) &&
                pe_add_u64(&total, total, codes ? nelem : 0) && pe_to_size(&nbytes, total);
    if (!fits) return pe_fail_nomem(err, l->part[0], SIZE_MAX);
    if (room->nbytes < nbytes) {
        free(room->p);
        room->p = malloc(nbytes);
        room->nbytes = room->p ? nbytes : 0;
        if (!room->p) return pe_fail_nomem(err, l->part[0], nbytes);
    }
    char *p = room->p;
    if (l->int8) s->s8 = room->p;
    else s->f32 = room->p;
    p += pe_round_up((size_t)nelem * (l->int8 ? 1 : sizeof(float)), 64);
    s->scale = (float *)(void *)p;
    s->bias = (float *)(void *)(p + rows);
    if (codes && !l->int8) s->s8 = (int8_t *)(p + 2 * rows);
    return PE_OK;
}

/* A scale for each output, also where the file has one for all. */
static pe_status read_scale(float *out, const pe_module *mod, const pe_ckpt *ckpt, pe_error *err)
{
    const pe_array *a = mod->weight_scale;
    pe_status st = pe_ckpt_read_f32(ckpt, a, out, err);
    for (uint32_t i = 0; !st && i < mod->rows; i++) {
        if (a->nelem == 1) out[i] = out[0];
        if (out[i] < 0)
            st = pe_fail(err, PE_E_INPUT, "%s: tensor '%.150s': negative scale of output %u",
                         pe_ckpt_path(ckpt), a->name, i);
    }
    return st;
}

static void dequantize(float *out, const int8_t *codes, const float *scale, size_t n, size_t k)
{
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < k; i++) out[r * k + i] = (float)codes[r * k + i] * scale[r];
}

static pe_status read_module(sections *s, const pe_linear *l, const pe_module *mod, size_t row,
                             const pe_ckpt *ckpt, pe_error *err)
{
    size_t at = row * l->k;
    if (mod->weight->dtype != PE_I8) return pe_ckpt_read_f32(ckpt, mod->weight, s->f32 + at, err);
    pe_status st = pe_ckpt_read_dense(ckpt, mod->weight, s->s8 + at, err);
    if (!st) st = read_scale(s->scale + row, mod, ckpt, err);
    if (!st && !l->int8) dequantize(s->f32 + at, s->s8 + at, s->scale + row, mod->rows, l->k);
    return st;
}

/* The tied decoder is the word table that is loaded already. */
static bool is_loaded_table(const pe_linear_job *job, const pe_model *m)
{
    return job->mod[0]->id == PE_MOD_WORD && m->tables.word;
}

pe_status pe_linear_source_read(pe_linear_source *out, pe_room *room, const pe_linear_job *job,
                                const pe_model *m, pe_error *err)
{
    const pe_linear *l = job->linear;
    sections s = { 0 };
    bool codes = false, bias = job->bias != NULL, loaded = is_loaded_table(job, m);
    for (int i = 0; i < job->nmods; i++) {
        codes |= job->mod[i]->weight->dtype == PE_I8;
        bias |= job->mod[i]->bias != NULL;
    }
    *out = (pe_linear_source){ 0 };
    if (loaded) out->f32 = m->tables.word;
    pe_linear small = *l;
    if (loaded) small.k = 1; /* room for the bias only */
    pe_status st = make_room(&s, room, &small, codes, err);
    size_t row = 0;
    for (int i = 0; !st && i < job->nmods; i++) {
        const pe_module *mod = job->mod[i];
        if (!loaded) st = read_module(&s, l, mod, row, m->ckpt, err);
        if (!st && mod->bias) st = pe_ckpt_read_f32(m->ckpt, mod->bias, s.bias + row, err);
        row += mod->rows;
    }
    if (!st && job->bias) st = pe_ckpt_read_f32(m->ckpt, job->bias->weight, s.bias, err);
    if (st) return st;
    if (!loaded && !l->int8) out->f32 = s.f32;
    if (l->int8 || (!loaded && l->stored == PE_STORED_CODES)) {
        out->s8 = s.s8;
        out->wscale = s.scale;
    }
    if (bias) out->bias = s.bias;
    return PE_OK;
}
