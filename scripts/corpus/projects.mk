# projects.mk: what the corpus is made of. One paragraph a project; add one and name it in a list.
#
#	P.source  Debian source package, if not called P
#	P.need    Debian packages that building it needs, beside compilers, make and dpkg-dev
#	P.copy    yes: it cannot be built outside its source tree, so each cell gets a copy
#	P.conf    the shell line that configures it in an empty folder. $S is the source tree; CC, CXX,
#	          CPP, CFLAGS, CXXFLAGS, HOST (empty, or a triple when cross compiling) are set;
#	          `conf` is autoconf's configure with the options all of these understand
#	P.cross   the same for another architecture; without it the project is built natively only
#	P.make    arguments of make; several runs are separated by ;
#	P.take    patterns of the files to keep, in the build folder; what is no ELF file is passed over
#
# The lists are the paper's (section 5), at Debian's versions. ccv is not in Debian.

TRAIN_tiny  := coreutils
TEST_tiny   := diffutils findutils
TRAIN_full  := binutils coreutils curl ffmpeg gdb gsl httpd openmpi openssl postgresql valgrind
TRAIN_small := coreutils curl gsl openssl
TEST_full   := diffutils findutils inetutils mailutils wget
TEST_small  := $(TEST_full)
# For several processors (trex.mk): what cross compiles. None of the training side is of GNU, whose projects
# share code.
TRAIN_cross := curl mbedtls mujs
TEST_cross  := diffutils findutils lua zlib

# ---- test ------------------------------------------------------------------------------------

diffutils.conf  := conf
diffutils.cross := conf
diffutils.take  := src/cmp src/diff src/diff3 src/sdiff

findutils.conf  := conf
findutils.cross := conf
findutils.take  := find/find xargs/xargs locate/locate locate/frcode

inetutils.need  := libreadline-dev libncurses-dev
inetutils.conf  := conf --without-krb5 --without-pam
inetutils.take  := */ftp */ftpd */talk */talkd */telnet */telnetd ifconfig/ifconfig ping/ping ping/ping6 \
	src/* whois/whois

mailutils.need  := libltdl-dev libreadline-dev libncurses-dev libgdbm-dev
mailutils.conf  := conf --disable-python --disable-cxx --without-guile --without-gnutls --without-gsasl \
	--without-mysql --without-postgres --without-odbc --without-ldap --without-tcp-wrappers
mailutils.take  := libmailutils/.libs/*.so.* libproto/*/.libs/*.so.* comsat/comsatd dotlock/dotlock \
	frm/.libs/* imap4d/.libs/* maidag/.libs/* mail/.libs/* messages/.libs/* movemail/.libs/* \
	mu/.libs/* pop3d/.libs/* readmsg/.libs/* sieve/.libs/*

wget.need  := libssl-dev pkg-config
wget.conf  := conf --with-ssl=openssl --without-libpsl --without-libuuid --disable-pcre --disable-pcre2
wget.cross := conf --without-ssl --without-libpsl --without-libuuid --disable-pcre --disable-pcre2
wget.take  := src/wget

# ---- small and quick to build: for scripts/bench/functions, blocks, tables -------------------

zlib.copy  := yes
zlib.conf  := ./configure
zlib.cross := CHOST=$$HOST ./configure
zlib.take  := libz.so.*

lua.source := lua5.4
lua.copy   := yes
lua.conf   := :
lua.cross  := :
lua.make   := -C src CC="$$CC" AR="$${HOST:+$$HOST-}ar rcu" RANLIB="$${HOST:+$$HOST-}ranlib" \
	CFLAGS="$$CFLAGS -DLUA_USE_POSIX -DLUA_USE_DLOPEN" MYLIBS=-ldl lua luac
lua.take   := src/lua src/luac

mujs.copy  := yes
mujs.conf  := :
mujs.cross := :
mujs.make  := CC="$$CC" CFLAGS="$$CFLAGS -fPIC" LDFLAGS= build/release/libmujs.so
mujs.take  := build/release/libmujs.so

# A library for firmware, without a configure.
mbedtls.copy  := yes
mbedtls.conf  := :
mbedtls.cross := :
mbedtls.make  := -C library SHARED=1 CC="$$CC" CFLAGS="$$CFLAGS" libmbedcrypto.so libmbedx509.so libmbedtls.so
mbedtls.take  := library/lib*.so.*

# ---- pre-training ----------------------------------------------------------------------------

# One program of all: the shared parts are compiled in once, not a hundred times.
coreutils.conf  := conf --enable-single-binary=symlinks --disable-libcap --without-selinux --without-gmp
coreutils.cross := $(coreutils.conf)
coreutils.make  := MANS= INFO_DEPS=
coreutils.take  := src/coreutils

curl.need  := libssl-dev zlib1g-dev pkg-config
curl.conf  := conf --enable-shared --disable-static --with-openssl --with-zlib --disable-manual \
	--without-libpsl --without-brotli --without-zstd --without-libidn2 --without-nghttp2 --disable-ldap
curl.cross := conf --enable-shared --disable-static --without-ssl --disable-manual --without-zlib \
	--without-libpsl --without-brotli --without-zstd --without-libidn2 --without-nghttp2 --disable-ldap
curl.take  := lib/.libs/libcurl.so.* src/.libs/curl

# Without the manual, which Debian has taken out.
gsl.conf  := conf --enable-shared --disable-static
gsl.cross := $(gsl.conf)
gsl.make  := SUBDIRS="$$(grep ^SUBDIRS Makefile | cut -d= -f2 | sed s/doc//)"
gsl.take  := .libs/libgsl.so.* cblas/.libs/libgslcblas.so.*

binutils.need  := bison flex texinfo zlib1g-dev
binutils.conf  := conf --enable-shared --disable-static --disable-gdb --disable-gprofng --disable-sim \
	--disable-gold --disable-plugins --disable-werror --enable-targets=x86_64-linux-gnu \
	--without-zstd --without-debuginfod
binutils.make  := all-binutils all-gas all-ld
binutils.take  := bfd/.libs/libbfd-*.so opcodes/.libs/libopcodes-*.so libctf/.libs/libctf.so.* \
	binutils/.libs/* binutils/readelf gas/.libs/as-new ld/.libs/ld-new

# Without assembly every algorithm is compiled code.
openssl.conf  := $$S/Configure linux-x86_64 no-asm no-tests no-module no-afalgeng $$CFLAGS
openssl.make  := build_generated ; libcrypto.so libssl.so apps/openssl
openssl.take  := libcrypto.so.* libssl.so.* apps/openssl

gdb.need  := bison flex texinfo libgmp-dev libmpfr-dev libexpat1-dev libncurses-dev zlib1g-dev
gdb.conf  := conf --disable-binutils --disable-gas --disable-ld --disable-gprof --disable-gprofng --disable-sim \
	--disable-gdbserver --disable-werror --with-python=no --without-guile --without-debuginfod \
	--without-babeltrace --without-intel-pt --disable-source-highlight
gdb.make  := all-gdb
gdb.take  := gdb/gdb

valgrind.copy  := yes
valgrind.conf  := conf --enable-only64bit
valgrind.take  := coregrind/valgrind */*-amd64-linux

httpd.source  := apache2
httpd.need  := libapr1-dev libaprutil1-dev libpcre2-dev libssl-dev zlib1g-dev libxml2-dev
httpd.conf  := conf --enable-mods-static=reallyall --disable-lua --disable-systemd --disable-http2 --disable-brotli \
	--disable-md --disable-proxy-html --disable-xml2enc
httpd.take  := httpd support/ab support/htdigest support/htpasswd support/rotatelogs support/.libs/*

openmpi.need  := libhwloc-dev libevent-dev zlib1g-dev perl
openmpi.conf  := conf --enable-shared --disable-static --disable-mpi-fortran --disable-oshmem --without-verbs \
	--without-ucx --without-slurm --disable-man-pages
openmpi.take  := ompi/.libs/libmpi.so.* orte/.libs/libopen-rte.so.* opal/.libs/libopen-pal.so.*

postgresql.source := postgresql-15
postgresql.need  := bison flex libreadline-dev zlib1g-dev
postgresql.conf  := conf --without-icu --without-ldap --without-openssl
postgresql.make  := -C src
postgresql.take  := src/backend/postgres src/interfaces/libpq/libpq.so.* src/bin/psql/psql src/bin/pg_dump/pg_dump \
	src/bin/pgbench/pgbench src/pl/plpgsql/src/plpgsql.so

# The options are its own; --optflags keeps it from choosing a level. No assembly, as in openssl.
ffmpeg.need  := zlib1g-dev
ffmpeg.conf  := $$S/configure --cc="$$CC" --optflags= --extra-cflags="$$CFLAGS" --disable-asm --disable-stripping \
	--enable-shared --disable-static --disable-doc --disable-autodetect --enable-zlib
ffmpeg.take  := libav*/libav*.so.* libsw*/libsw*.so.* ffmpeg_g ffprobe_g
