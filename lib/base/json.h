/* lib/base/json.h - JSON in and out through jansson, with the caps that hostile files need.
 * Duplicate keys, depth over 64 and anything after the value are refused. The text is an object or
 * a
 * list; an integer beyond 18 digits reads as a real. */
#ifndef PE_BASE_JSON_H
#define PE_BASE_JSON_H

#include <jansson.h>
#include <pe/base.h>

/* `name` is what messages call the text; errors carry line and column. *out: json_decref. */
pe_status pe_json_parse(json_t **out, const char *text, size_t nbytes, const char *name,
                        pe_error *err);
pe_status pe_json_load(json_t **out, const char *path, size_t max_nbytes, pe_error *err);
/* Member of an object with a type check; PE_E_INPUT names `where` and the key. A missing key (or
 * null) leaves *out alone and is PE_OK (set the default first); `required` makes it an error. */
pe_status pe_json_int(int64_t *out, const json_t *o, const char *key, int64_t min, int64_t max,
                      bool required, const char *where, pe_error *err);
pe_status pe_json_num(double *out, const json_t *o, const char *key, bool required,
                      const char *where, pe_error *err);
pe_status pe_json_bool(bool *out, const json_t *o, const char *key, bool required,
                       const char *where, pe_error *err);
pe_status pe_json_str(const char **out, const json_t *o, const char *key, bool required,
                      const char *where, pe_error *err); /* borrowed from o */
/* A number to print: json_real() gives NULL for NaN and Inf, this gives null. */
json_t *pe_json_real(double value);
/* Sorted keys, 9 significant digits, indent 0 (one line) or 2, newline at the end; malloc'd. */
char *pe_json_text(const json_t *value, int indent);

#endif
