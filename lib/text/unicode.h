/* lib/text/unicode.h - what the tokenizers ask of a code point, as the Hugging Face libraries
 * answer it (their editions of Unicode differ by question: see make/make_unicode.py). */
#ifndef PE_TEXT_UNICODE_H
#define PE_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PE_UNI_WS = 1,    /* White_Space */
    PE_UNI_DROP = 2,  /* removed by clean_text: NUL, U+FFFD, controls, formats, private use */
    PE_UNI_PUNCT = 4, /* BertPreTokenizer sets it apart */
    PE_UNI_MN = 8,    /* removed by strip_accents */
    PE_UNI_CJK = 16,  /* handle_chinese_chars puts spaces around it */
    PE_UNI_WORD = 32, /* \w of a regular expression */
    PE_UNI_NFD = 64   /* has a canonical decomposition */
};

typedef struct pe_uni_record {
    uint8_t flags, ccc; /* canonical combining class */
    int32_t lower;      /* added to a code point gives its lower case; U+0130 is not in it */
} pe_uni_record;

extern const pe_uni_record pe_uni_records[];
extern const uint16_t pe_uni_index[], pe_uni_data[];
extern const uint16_t pe_uni_nfd_index[], pe_uni_nfd_data[];
extern const uint32_t pe_uni_nfd_parts[];

static inline const pe_uni_record *pe_uni(uint32_t cp)
{
    return &pe_uni_records[pe_uni_data[(size_t)pe_uni_index[cp >> 7] << 7 | (cp & 127)]];
}

/* Full canonical decomposition of one code point, Hangul included; returns 1 to PE_UNI_NFD_MAX. */
enum { PE_UNI_NFD_MAX = 4 };
static inline size_t pe_uni_nfd(uint32_t out[PE_UNI_NFD_MAX], uint32_t cp)
{
    if (cp >= 0xac00 && cp <= 0xd7a3) {
        uint32_t s = cp - 0xac00;
        out[0] = 0x1100 + s / 588;
        out[1] = 0x1161 + s % 588 / 28;
        out[2] = 0x11a7 + s % 28;
        return s % 28 ? 3 : 2;
    }
    size_t at = pe_uni_nfd_data[(size_t)pe_uni_nfd_index[cp >> 7] << 7 | (cp & 127)];
    if (!at) {
        out[0] = cp;
        return 1;
    }
    size_t n = pe_uni_nfd_parts[at - 1];
    for (size_t i = 0; i < n; i++) out[i] = pe_uni_nfd_parts[at + i];
    return n;
}

#endif
