// Whether the address sanitizer watches: memory that is handed out again without its knowing would hide errors from it.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define IMORI_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)  // clang's name for it
#define IMORI_SANITIZED
#endif
#endif
