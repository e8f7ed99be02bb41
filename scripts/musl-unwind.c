/* For test-musl: Debian has an unwinder for its own C library only, which asks it where the tables of a function are by a call that
 * musl has not. Here it is, by one that musl has. */
#define _GNU_SOURCE
#include <link.h>
#include <pthread.h>
#include <stddef.h>

/* The unwinder names these weakly, which takes nothing out of an archive: it would call address 0, and every panic would end in
 * SIGSEGV. Strong names take them out. */
__attribute__((used)) static void *const needed_by_the_unwinder[] = {
    (void *)pthread_once, (void *)pthread_mutex_lock, (void *)pthread_mutex_unlock,
    (void *)pthread_key_create, (void *)pthread_getspecific, (void *)pthread_setspecific,
};

/* `struct dl_find_object` of glibc's <dlfcn.h>. */
struct found {
    unsigned long long flags;
    void *start, *end;
    struct link_map *map;
    void *tables;
    unsigned long long reserved[7];
};

struct search {
    const char *address;
    struct found *found;
    int result;
};

static int look(struct dl_phdr_info *object, size_t size, void *data)
{
    struct search *search = data;
    void *tables = NULL;
    int inside = 0;
    (void)size;
    for (int index = 0; index < object->dlpi_phnum; index++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[index];
        char *start = (char *)object->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_LOAD && search->address >= start && search->address < start + part->p_memsz) {
            inside = 1;
            search->found->start = start;
            search->found->end = start + part->p_memsz;
        }
        if (part->p_type == PT_GNU_EH_FRAME)
            tables = start;
    }
    if (!inside || !tables)
        return 0;
    search->found->tables = tables;
    search->result = 0;
    return 1;
}

int _dl_find_object(void *address, struct found *found)
{
    struct search search = {address, found, -1};
    dl_iterate_phdr(look, &search);
    return search.result;
}
