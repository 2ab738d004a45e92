/* formats/st_name.c - tensor names in messages and in JSON: they come from a file, so escape them.
 * Read next: formats/safetensors.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/safetensors.h"

const char *pe_st_show(char buf[PE_ST_SHOW], const char *name)
{
    size_t n = 0;
    buf[n++] = '"';
    for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
        if (n > PE_ST_SHOW - 16) {
            while (n > 1 && (*p & 0xc0) == 0x80) { /* not in the middle of a character */
                p--;
                n--;
            }
            memcpy(buf + n, "..", 2);
            n += 2;
            break;
        }
        if (p[0] == 0xc0) n += (size_t)snprintf(buf + n, 8, "\\u0000"), p++;
        else if (*p < 0x20 || *p == 0x7f) n += (size_t)snprintf(buf + n, 8, "\\u%04x", *p);
        else buf[n++] = (char)*p;
    }
    buf[n++] = '"';
    buf[n] = 0;
    return buf;
}

json_t *pe_st_name_json(const char *name)
{
    size_t n = 0, nbytes = strlen(name);
    if (!strstr(name, "\xc0\x80")) return json_stringn(name, nbytes);
    char *copy = malloc(nbytes + 1);
    if (!copy) return NULL;
    for (size_t i = 0; i < nbytes; i++) {
        if ((unsigned char)name[i] == 0xc0) copy[n++] = 0, i++;
        else copy[n++] = name[i];
    }
    json_t *j = json_stringn(copy, n);
    free(copy);
    return j;
}
