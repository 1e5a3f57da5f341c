#include <curl/curl.h>

// curl_easy_setopt and curl_easy_getinfo are variadic, which Swift cannot call: one typed wrapper per argument kind.
static inline CURLcode sluice_curl_set_long(CURL *h, CURLoption o, long v) { return curl_easy_setopt(h, o, v); }
static inline CURLcode sluice_curl_set_offset(CURL *h, CURLoption o, curl_off_t v) { return curl_easy_setopt(h, o, v); }
static inline CURLcode sluice_curl_set_string(CURL *h, CURLoption o, const char *v) { return curl_easy_setopt(h, o, v); }
static inline CURLcode sluice_curl_set_pointer(CURL *h, CURLoption o, void *v) { return curl_easy_setopt(h, o, v); }
static inline CURLcode sluice_curl_set_list(CURL *h, CURLoption o, struct curl_slist *v) { return curl_easy_setopt(h, o, v); }
static inline CURLcode sluice_curl_set_write(CURL *h, CURLoption o, size_t (*f)(char *, size_t, size_t, void *)) { return curl_easy_setopt(h, o, f); }
static inline CURLcode sluice_curl_get_long(CURL *h, CURLINFO i, long *v) { return curl_easy_getinfo(h, i, v); }
static inline CURLcode sluice_curl_get_offset(CURL *h, CURLINFO i, curl_off_t *v) { return curl_easy_getinfo(h, i, v); }
static inline CURLcode sluice_curl_get_string(CURL *h, CURLINFO i, char **v) { return curl_easy_getinfo(h, i, v); }
static inline CURLcode sluice_curl_get_pointer(CURL *h, CURLINFO i, void **v) { return curl_easy_getinfo(h, i, v); }
static inline CURLMcode sluice_curlm_set_long(CURLM *m, CURLMoption o, long v) { return curl_multi_setopt(m, o, v); }
static inline CURLMcode sluice_curlm_set_socket(CURLM *m, int (*f)(CURL *, curl_socket_t, int, void *, void *), void *u) {
  curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, f);
  return curl_multi_setopt(m, CURLMOPT_SOCKETDATA, u);
}
static inline CURLMcode sluice_curlm_set_timer(CURLM *m, int (*f)(CURLM *, long, void *), void *u) {
  curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, f);
  return curl_multi_setopt(m, CURLMOPT_TIMERDATA, u);
}
static inline CURLcode sluice_curl_set_open_socket(CURL *h, curl_socket_t (*f)(void *, curlsocktype, struct curl_sockaddr *), void *u) {
  curl_easy_setopt(h, CURLOPT_OPENSOCKETDATA, u);
  return curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, f);
}
static inline CURLcode sluice_curl_set_blob(CURL *h, CURLoption o, const void *bytes, size_t count) {
  struct curl_blob blob = {(void *)bytes, count, CURL_BLOB_COPY};
  return curl_easy_setopt(h, o, &blob);
}
static inline CURLcode sluice_curl_set_before_request(CURL *h, int (*f)(void *, char *, char *, int, int), void *u) {
  curl_easy_setopt(h, CURLOPT_PREREQDATA, u);
  return curl_easy_setopt(h, CURLOPT_PREREQFUNCTION, f);
}
static inline CURLcode sluice_curl_set_debug(CURL *h, int (*f)(CURL *, curl_infotype, char *, size_t, void *), void *u) {
  curl_easy_setopt(h, CURLOPT_DEBUGDATA, u);
  curl_easy_setopt(h, CURLOPT_DEBUGFUNCTION, f);
  return curl_easy_setopt(h, CURLOPT_VERBOSE, 1L);
}
