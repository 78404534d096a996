// SPDX-License-Identifier: Apache-2.0
// libcurl's variadic calls, one function for each type of value, because Swift cannot call variadic functions.
#pragma once
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <string.h>

static inline CURLcode curl_set_text(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode curl_set_number(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode curl_set_list(CURL *handle, CURLoption option, struct curl_slist *value) {
    return curl_easy_setopt(handle, option, value);
}

/// The last answer's code of the server; 0 when there was none.
static inline long curl_last_code(CURL *handle) {
    long code = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &code);
    return code;
}

/// What is uploaded, and how much of it was handed over. Must outlive the transfer.
struct curl_payload {
    const char *bytes;
    size_t count;
    size_t position;
};

static inline size_t curl_read_payload(char *buffer, size_t size, size_t items, void *context) {
    struct curl_payload *payload = (struct curl_payload *)context;
    size_t room = size * items, rest = payload->count - payload->position;
    size_t count = rest < room ? rest : room;
    memcpy(buffer, payload->bytes + payload->position, count);
    payload->position += count;
    return count;
}

static inline CURLcode curl_set_payload(CURL *handle, struct curl_payload *payload) {
    CURLcode code = curl_easy_setopt(handle, CURLOPT_READFUNCTION, curl_read_payload);
    if (code == CURLE_OK) code = curl_easy_setopt(handle, CURLOPT_READDATA, (void *)payload);
    return code;
}
