/* SPDX-License-Identifier: MIT */
/* A plain file is not copied but moved aside, as the inode it is: its owner, mode, labels and link
 * come back with it, and whoever is writing it just now writes into what will be restored. It lies
 * beside the file, not in /run, so that a machine that lost its power can be put right after it
 * booted. A mount of its own cannot be moved: its text is kept in the state's directory. */
#include "host/dns_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define BESIDE "/etc/.resolv.conf.hopwire"
#define ASIDE DNS_FILE ".before-hopwire"
#define ASIDE_NEW "/etc/.resolv.conf.before-hopwire"
#define MARKER "# written by hopwire for "
#define PLAIN "plain"
#define TEXT_BYTES (DNS_RECORD_LIST_BYTES + 256)

void dns_file_key(char key[DNS_RECORD_KEY_BYTES])
{
    struct statx found;
    bool is_mount =
        statx(AT_FDCWD, DNS_FILE, AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &found) == 0 &&
        (found.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) &&
        (found.stx_attributes & STATX_ATTR_MOUNT_ROOT);
    if (is_mount)
        snprintf(key, DNS_RECORD_KEY_BYTES, "mount-%x.%x-%llx", found.stx_dev_major,
                 found.stx_dev_minor, (unsigned long long)found.stx_ino);
    else
        snprintf(key, DNS_RECORD_KEY_BYTES, PLAIN);
}

static bool is_plain(const char *key)
{
    return strcmp(key, PLAIN) == 0;
}

bool dns_file_is_ours(const char *text)
{
    return strncmp(text, MARKER, strlen(MARKER)) == 0;
}

/* "/run/hopwire/.resolv.conf-KEY": no network's name begins with a dot. */
static void kept_path(const char *key, char path[STATE_PATH_BYTES])
{
    char own[STATE_PATH_BYTES] = "/";
    dns_record_path("x", own, TEXT_UNHEARD);
    snprintf(path, STATE_PATH_BYTES, "%.*s/.resolv.conf-%s", (int)(strrchr(own, '/') - own), own,
             key);
}

void dns_file_before(char path[STATE_PATH_BYTES])
{
    char key[DNS_RECORD_KEY_BYTES];
    dns_file_key(key);
    if (is_plain(key))
        snprintf(path, STATE_PATH_BYTES, "%s", ASIDE);
    else
        kept_path(key, path);
}

/* ---- what should be shown ---- */

struct top {
    const char *key, *leaving;
    unsigned order; /* 0: no network is left */
    char text[TEXT_BYTES];
};

static void note_top(void *context, const char *network, const struct dns_record *record)
{
    struct top *top = context;
    struct text text;
    if (strcmp(record->file, top->key) != 0 || record->is_leaving || record->order <= top->order ||
        (top->leaving && strcmp(network, top->leaving) == 0))
        return;
    top->order = record->order;
    text_init(&text, top->text, sizeof(top->text));
    text_append(&text, MARKER "%s; `hopwire down %s` restores what stood here\n%s", network,
                network, record->list);
}

/* ---- writing ---- */

/* What stands there now. */
struct found {
    char *text;   /* NULL: a link, or nothing that can be read */
    int error;    /* then why: an errno, 0 for a link */
    bool is_ours; /* or what is left of ours */
};

static int write_in_place(const char *text)
{
    int fd = open(DNS_FILE, O_WRONLY | O_CLOEXEC | O_TRUNC);
    if (fd < 0)
        return -errno;
    ssize_t len = (ssize_t)strlen(text), written = write(fd, text, (size_t)len);
    int result = written == len ? 0 : written < 0 ? -errno : -ENOSPC;
    if (close(fd) < 0 && result == 0)
        result = -errno;
    return result;
}

static int write_beside(const char *text)
{
    unlink(BESIDE);
    int fd = open(BESIDE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    ssize_t len = (ssize_t)strlen(text), written = write(fd, text, (size_t)len);
    int result = written == len ? 0 : written < 0 ? -errno : -ENOSPC;
    if (fchmod(fd, 0644) < 0 && result == 0) /* whatever the umask */
        result = -errno;
    if (close(fd) < 0 && result == 0)
        result = -errno;
    return result;
}

/* A second name for what stands there, which then is replaced: at no moment is there no file. Where
 * a file system has no second names, for one moment there is none. */
static int move_aside(void)
{
    unlink(ASIDE_NEW);
    if (linkat(AT_FDCWD, DNS_FILE, AT_FDCWD, ASIDE_NEW, 0) < 0) {
        if (errno == ENOENT)
            return 0; /* nothing stands there: what was put aside before, if anything, stays */
        return rename(DNS_FILE, ASIDE) < 0 ? -errno : 0;
    }
    if (rename(ASIDE_NEW, ASIDE) < 0) {
        int result = -errno;
        unlink(ASIDE_NEW);
        return result;
    }
    unlink(ASIDE_NEW); /* renaming one name of a file to another of its names leaves both */
    return 0;
}

static int show_plain(const struct found *now, const char *text)
{
    int result = write_beside(text);
    if (result == 0 && !now->is_ours)
        result = move_aside();
    if (result == 0 && rename(BESIDE, DNS_FILE) < 0)
        result = -errno;
    unlink(BESIDE);
    return result ? result : 1;
}

static int show(const char *key, const struct found *now, const char *text)
{
    char kept[STATE_PATH_BYTES];
    if (is_plain(key))
        return show_plain(now, text);
    kept_path(key, kept);
    int result = now->is_ours ? 0 : dns_record_replace_text(kept, now->text);
    if (result == 0)
        result = write_in_place(text);
    return result ? result : 1;
}

static int restore_plain(bool is_ours)
{
    unlink(BESIDE); /* of one that was killed while it wrote */
    unlink(ASIDE_NEW);
    if (!is_ours)
        return unlink(ASIDE) < 0 && errno != ENOENT ? -errno : 0;
    if (rename(ASIDE, DNS_FILE) == 0)
        return 1;
    if (errno != ENOENT)
        return -errno;
    return unlink(DNS_FILE) < 0 && errno != ENOENT ? -errno : 1; /* there was none */
}

static int restore_mount(const char *key, bool is_ours, struct text *why)
{
    char kept[STATE_PATH_BYTES];
    kept_path(key, kept);
    char *before = is_ours ? dns_record_read_text(kept) : NULL;
    if (is_ours && !before) {
        int result = -errno;
        text_append(why,
                    "what stood in %s before is lost, since %s cannot be read: write the host's "
                    "name servers into it",
                    DNS_FILE, kept);
        return result;
    }
    int result = is_ours ? write_in_place(before) : 0;
    free(before);
    if (result == 0)
        unlink(kept);
    return result == 0 && is_ours ? 1 : result;
}

static void tell_failure(int result, const char *done, struct text *why)
{
    const char *advice = "";
    if (result == -EROFS)
        advice = ": it lies on a read-only file system; mount a file of its own over it";
    else if (result == -EPERM || result == -EACCES)
        advice = ": where `lsattr -d /etc /etc/resolv.conf` shows an i, `chattr -i` takes it away";
    else if (result == -EISDIR) /* some programs make one where a file to mount was missing */
        advice = ": `rmdir` it";
    text_append(why, "cannot %s %s: %s%s", done, DNS_FILE, strerror(-result), advice);
}

/* Emptied by one of us who was killed while writing in place, or removed by others: what was kept
 * of it is not to be lost for that. */
static bool is_remains(const struct found *now, bool is_plain_file)
{
    char before[STATE_PATH_BYTES];
    struct stat kept;
    dns_file_before(before);
    bool is_gone = is_plain_file ? now->error == ENOENT : now->text && !*now->text;
    return is_gone && lstat(before, &kept) == 0;
}

static struct found look(bool is_plain_file)
{
    struct found now = {0};
    struct stat found;
    if (is_plain_file && lstat(DNS_FILE, &found) == 0 && S_ISLNK(found.st_mode))
        return now;
    now.text = dns_record_read_text(DNS_FILE);
    now.error = now.text ? 0 : errno;
    now.is_ours = (now.text && dns_file_is_ours(now.text)) || is_remains(&now, is_plain_file);
    return now;
}

static int settle(const char *key, const struct found *now, const struct top *top, struct text *why)
{
    size_t len = why->len;
    bool is_plain_file = is_plain(key);
    int result = 0;
    if (!now->text && (!is_plain_file || (top->order && now->error == EISDIR)))
        result = -now->error;
    else if (!top->order)
        result =
            is_plain_file ? restore_plain(now->is_ours) : restore_mount(key, now->is_ours, why);
    else if (!now->is_ours || !now->text || strcmp(now->text, top->text) != 0)
        result = show(key, now, top->text);
    if (result < 0 && why->len == len)
        tell_failure(result, top->order ? "write" : "restore", why);
    return result;
}

static bool is_immutable(const char *path)
{
    struct statx found;
    return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &found) == 0 &&
           !S_ISLNK(found.stx_mode) && (found.stx_attributes & STATX_ATTR_IMMUTABLE);
}

int dns_file_look(struct text *why)
{
    char key[DNS_RECORD_KEY_BYTES];
    dns_file_key(key);
    bool is_plain_file = is_plain(key);
    struct found now = look(is_plain_file);
    int result = 0;
    if (now.error == EISDIR)
        result = -EISDIR;
    else if (faccessat(AT_FDCWD, is_plain_file ? "/etc" : DNS_FILE, W_OK, AT_EACCESS) < 0 &&
        errno == EROFS)
        result = -EROFS;
    else if (is_immutable(DNS_FILE) || (is_plain_file && is_immutable("/etc")))
        result = -EPERM;
    free(now.text);
    if (result < 0)
        tell_failure(result, "write", why);
    return result < 0 ? -EROFS : 0;
}

void dns_file_forget(const char *key)
{
    char kept[STATE_PATH_BYTES];
    struct top top = {.key = key};
    dns_record_walk(note_top, &top);
    kept_path(key, kept);
    if (!top.order && !is_plain(key))
        unlink(kept);
}

int dns_file_settle(const char *key, const char *leaving, struct text *why)
{
    char here[DNS_RECORD_KEY_BYTES];
    struct top top = {.key = key, .leaving = leaving};
    dns_file_key(here);
    if (strcmp(here, key) != 0) {
        text_append(why,
                    "%s is another file here than the one that was set (%s, not %s): do it where "
                    "`up` was run, or put that file right by hand",
                    DNS_FILE, here, key);
        return -EXDEV;
    }
    struct found now = look(is_plain(key));
    dns_record_walk(note_top, &top);
    int result = settle(key, &now, &top, why);
    free(now.text);
    return result;
}
