"""The catalogue of file kinds: what each is called, what family it belongs to, how it begins.

It is data, read once at import. A signature that stands in two formats (a zip file is also a docx, a jar, an
apk; a compound file is also a doc, an msi, an msg) names the container, and `types` looks further.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Family(StrEnum):
    """What a kind is to the one who opens it."""

    TEXT = "text"
    DOCUMENT = "document"
    PICTURE = "picture"
    MEDIA = "media"
    ARCHIVE = "archive"
    DATA = "data"
    PROGRAM = "program"
    SCRIPT = "script"
    SHORTCUT = "shortcut"
    DISK_IMAGE = "disk-image"
    UNKNOWN = "unknown"


# Opening one of these does something: none has a place in office mail.
DANGEROUS = frozenset({Family.PROGRAM, Family.SCRIPT, Family.SHORTCUT, Family.DISK_IMAGE})


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of file: a stable `name`, and the container it is built in ("zip", "ole", "text" or "")."""

    name: str
    family: Family
    container: str = ""
    media_type: str = "application/octet-stream"


UNKNOWN = Kind("unknown", Family.UNKNOWN)
EMPTY = Kind("empty", Family.DATA)

# name[:container]  media types  extensions (- for none); a line that ends in a comma goes on in the next.
_TABLE = {
    Family.TEXT: """
        text:text       text/plain                          txt,text,log,md,rst,asc,diff,patch,ini,cfg,conf,tex,c,h,
                        cpp,java,sql,yml,yaml
        html:text       text/html,application/xhtml+xml     html,htm,xhtml,xht,shtml
        mhtml:text      multipart/related,application/x-mimearchive  mht,mhtml
        xml:text        text/xml,application/xml            xml,xsl,xslt,rss
        css:text        text/css                            css
        csv:text        text/csv,text/tab-separated-values  csv,tsv
        json:text       application/json                    json
        eml:text        message/rfc822                      eml
        calendar:text   text/calendar,text/vcard,text/x-vcard,text/directory  ics,vcf
        pem:text        application/pgp-keys,application/pgp-signature,application/x-pem-file  pem,asc,sig
        sylk:text       application/x-sylk                  slk
    """,
    Family.DOCUMENT: """
        pdf             application/pdf,application/x-pdf   pdf
        rtf:text        application/rtf,text/rtf            rtf
        postscript:text application/postscript              ps,eps
        doc:ole         application/msword                  doc,dot
        xls:ole         application/vnd.ms-excel            xls,xlt,xla
        ppt:ole         application/vnd.ms-powerpoint       ppt,pot,pps
        msg:ole         application/vnd.ms-outlook          msg
        vsd:ole         application/vnd.visio               vsd
        pub:ole         application/x-mspublisher           pub
        ole             application/x-ole-storage           -
        docx:zip        application/vnd.openxmlformats-officedocument.wordprocessingml.document,
                        application/vnd.openxmlformats-officedocument.wordprocessingml.template,
                        application/vnd.ms-word.document.macroenabled.12,
                        application/vnd.ms-word.template.macroenabled.12  docx,docm,dotx,dotm
        xlsx:zip        application/vnd.openxmlformats-officedocument.spreadsheetml.sheet,
                        application/vnd.openxmlformats-officedocument.spreadsheetml.template,
                        application/vnd.ms-excel.sheet.macroenabled.12,
                        application/vnd.ms-excel.sheet.binary.macroenabled.12  xlsx,xlsm,xlsb,xltx,xltm,xlam
        pptx:zip        application/vnd.openxmlformats-officedocument.presentationml.presentation,
                        application/vnd.openxmlformats-officedocument.presentationml.slideshow,
                        application/vnd.ms-powerpoint.presentation.macroenabled.12  pptx,pptm,potx,potm,ppsx,ppsm,
                        ppam
        vsdx:zip        application/vnd.visio2013           vsdx,vsdm
        xps:zip         application/vnd.ms-xpsdocument      xps,oxps
        odf:zip         application/vnd.oasis.opendocument.text,application/vnd.oasis.opendocument.spreadsheet,
                        application/vnd.oasis.opendocument.presentation,
                        application/vnd.oasis.opendocument.graphics  odt,ods,odp,odg,ott,ots,otp
        epub:zip        application/epub+zip                epub
        onenote         application/onenote,application/msonenote  one,onetoc2
        djvu            image/vnd.djvu                      djvu
        mdb             application/x-msaccess,application/vnd.ms-access  mdb,accdb
    """,
    Family.PICTURE: """
        jpeg            image/jpeg,image/jpg,image/pjpeg    jpg,jpeg,jpe,jfif
        png             image/png,image/x-png               png
        gif             image/gif                           gif
        bmp             image/bmp,image/x-ms-bmp            bmp,dib
        tiff            image/tiff                          tif,tiff
        webp            image/webp                          webp
        heif            image/heic,image/heif,image/avif    heic,heif,avif
        jp2             image/jp2                           jp2,j2k
        jxl             image/jxl                           jxl
        ico             image/x-icon,image/vnd.microsoft.icon  ico
        psd             image/vnd.adobe.photoshop           psd
        wmf             image/wmf,image/x-wmf               wmf
        emf             image/emf,image/x-emf               emf
        svg:text        image/svg+xml                       svg
        svgz            -                                   svgz
    """,
    Family.MEDIA: """
        mp3             audio/mpeg,audio/mp3                mp3
        wav             audio/wav,audio/x-wav               wav
        ogg             audio/ogg,video/ogg,application/ogg ogg,oga,ogv,opus
        flac            audio/flac                          flac
        midi            audio/midi,audio/x-midi             mid,midi
        mp4             video/mp4,audio/mp4,video/quicktime mp4,m4a,m4v,mov
        avi             video/avi,video/x-msvideo           avi
        matroska        video/webm,audio/webm,video/x-matroska  webm,mkv
        asf             video/x-ms-wmv,video/x-ms-asf       wmv,wma,asf
        mpeg            video/mpeg                          mpg,mpeg
        flv             video/x-flv                         flv
        amr             audio/amr                           amr
    """,
    Family.ARCHIVE: """
        zip             application/zip,application/x-zip-compressed,application/x-zip  zip
        7z              application/x-7z-compressed         7z
        rar             application/vnd.rar,application/x-rar-compressed,application/x-rar  rar
        gzip            application/gzip,application/x-gzip gz,tgz
        bzip2           application/x-bzip2,application/x-bzip  bz2,tbz2
        xz              application/x-xz                    xz,txz
        zstd            application/zstd                    zst
        lz4             application/x-lz4                   lz4
        lzma            application/x-lzma                  lzma
        lzip            application/lzip,application/x-lzip  lz
        compress        application/x-compress              z
        tar             application/x-tar,application/x-gtar  tar
        cpio            application/x-cpio                  cpio
        cab             application/vnd.ms-cab-compressed   cab
        arj             application/x-arj                   arj
        lzh             application/x-lzh                   lzh,lha
        ace             application/x-ace-compressed        ace
        ar              -                                   -
        xar             application/x-xar                   xar
        tnef            application/ms-tnef,application/vnd.ms-tnef  -
    """,
    Family.DATA: """
        font            font/ttf,font/otf,font/woff,font/woff2  ttf,otf,woff,woff2
        sqlite          application/vnd.sqlite3             sqlite,db
        pst             application/vnd.ms-outlook-pst      pst
        der             application/pkcs7-signature,application/x-pkcs7-signature,application/pkcs7-mime,
                        application/x-pkcs7-mime,application/pkix-cert,application/x-x509-ca-cert  p7s,p7m,p7c,cer,
                        der,crt,p12,pfx
        pgp             application/pgp-encrypted           pgp,gpg
    """,
    Family.PROGRAM: """
        pe              application/vnd.microsoft.portable-executable,application/x-msdownload,
                        application/x-msdos-program,application/x-dosexec,application/exe,application/x-exe  exe,
                        dll,scr,com,pif,cpl,ocx,sys,xll,drv,efi,mui
        dos             -                                   -
        elf             application/x-executable,application/x-elf,application/x-sharedlib  elf,so,run,appimage
        mach-o          application/x-mach-binary           dylib,bundle
        class           application/java-vm,application/x-java-class  class
        jar:zip         application/java-archive,application/x-java-archive  jar,war,ear
        apk:zip         application/vnd.android.package-archive  apk,aab,xapk
        dex             -                                   dex
        ipa:zip         -                                   ipa
        appx:zip        application/msix,application/appx   appx,msix,appxbundle,msixbundle
        addin:zip       application/x-xpinstall             xpi,crx,vsix
        msi:ole         application/x-msi,application/x-ms-installer  msi,msp,mst
        wasm            application/wasm                    wasm
        deb             application/vnd.debian.binary-package,application/x-debian-package  deb
        rpm             application/x-rpm,application/x-redhat-package-manager  rpm
        pyc             application/x-python-code           pyc,pyo
        chm             application/vnd.ms-htmlhelp         chm
        swf             application/x-shockwave-flash       swf
        diagcab         -                                   diagcab
        gadget          -                                   gadget,app,pkg,mpkg
    """,
    Family.SCRIPT: """
        shell:text      application/x-sh,application/x-shellscript,text/x-sh,text/x-shellscript  sh,bash,zsh,ksh,
                        csh,fish,command,tool
        batch:text      application/x-bat,text/x-msdos-batch  bat,cmd,btm
        powershell:text text/x-powershell                   ps1,psm1,psd1,ps1xml,psc1,ps2
        vbscript:text   text/vbscript,text/x-vbscript       vbs,vbe,vb,bas
        javascript:text text/javascript,application/javascript,application/x-javascript  js,jse,mjs
        wsf:text        text/x-wsf                          wsf,wsc,wsh,ws,sct
        hta:text        application/hta                     hta
        python:text     text/x-python,application/x-python,text/x-script.python  py,pyw,pyz,pyzw
        perl:text       text/x-perl,application/x-perl      pl,pm
        ruby:text       text/x-ruby,application/x-ruby      rb
        php:text        application/x-php,application/x-httpd-php,text/x-php  php,phtml,php3,php5,phar
        lua:text        text/x-lua                          lua
        tcl:text        application/x-tcl                   tcl
        autoit:text     -                                   au3,a3x,ahk
        applescript     application/x-applescript           scpt,applescript,scptd,workflow,action,terminal
        registry:text   text/x-ms-regedit                   reg
        inf:text        -                                   inf,ins,isp
        console:text    -                                   msc
        jnlp:text       application/x-java-jnlp-file        jnlp
        clickonce:text  application/x-ms-application        application,appref-ms,settingcontent-ms,appinstaller
        query:text      text/x-ms-iqy                       iqy,oqy,dqy,rqy
        help            application/winhelp                 hlp
    """,
    Family.SHORTCUT: """
        lnk             application/x-ms-shortcut           lnk
        url:text        application/internet-shortcut,application/x-mswinurl  url,website
        desktop:text    application/x-desktop               desktop
        scf:text        -                                   scf
        library:text    application/windows-library+xml     library-ms
        search:text     application/windows-search-connector+xml  search-ms,searchconnector-ms
        webloc:text     -                                   webloc,inetloc,fileloc
        rdp:text        application/x-rdp                   rdp
        theme:text      -                                   theme,themepack,deskthemepack
    """,
    Family.DISK_IMAGE: """
        iso             application/x-iso9660-image,application/x-cd-image  iso,udf
        img             application/x-raw-disk-image        img,ima,dd
        vhd             application/x-vhd                   vhd
        vhdx            application/x-vhdx                  vhdx,avhdx
        vmdk            application/x-vmdk                  vmdk
        qcow            application/x-qemu-disk             qcow,qcow2
        dmg             application/x-apple-diskimage       dmg
        wim             application/x-ms-wim                wim,esd,swm
        squashfs        -                                   squashfs,snap
    """,
}

KINDS: dict[str, Kind] = {}
BY_EXTENSION: dict[str, Kind] = {}
BY_MEDIA_TYPE: dict[str, Kind] = {}

for _family, _rows in _TABLE.items():
    for _row in filter(str.strip, re.sub(r",\s+", ",", _rows).split("\n")):
        _title, _media, _extensions = _row.split()
        _name, _, _container = _title.partition(":")
        _media_types = [] if _media == "-" else _media.split(",")
        _kind = Kind(_name, _family, _container, *_media_types[:1])
        KINDS[_name] = _kind
        BY_MEDIA_TYPE.update(dict.fromkeys(_media_types, _kind))
        if _extensions != "-":
            for _extension in _extensions.split(","):
                BY_EXTENSION.setdefault(_extension, _kind)

# (offset, bytes, kind), the first that fits counts. Formats that need more than a look are in `types`.
SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x7fELF", "elf"),
    (0, b"\xfe\xed\xfa\xce", "mach-o"),
    (0, b"\xfe\xed\xfa\xcf", "mach-o"),
    (0, b"\xce\xfa\xed\xfe", "mach-o"),
    (0, b"\xcf\xfa\xed\xfe", "mach-o"),
    (0, b"dex\n03", "dex"),
    (0, b"\0asm", "wasm"),
    (0, b"!<arch>\ndebian-binary", "deb"),
    (0, b"!<arch>\n", "ar"),
    (0, b"\xed\xab\xee\xdb", "rpm"),
    (0, b"ITSF\x03\0\0\0", "chm"),
    (0, b"FWS", "swf"),
    (0, b"CWS", "swf"),
    (0, b"ZWS", "swf"),
    (0, b"FasdUAS", "applescript"),
    (0, b"\x3f\x5f\x03\0", "help"),
    (0, b"L\0\0\0\x01\x14\x02\0", "lnk"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"PK\x05\x06", "zip"),
    (0, b"PK\x07\x08PK", "zip"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z"),
    (0, b"Rar!\x1a\x07", "rar"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"BZh", "bzip2"),
    (0, b"\xfd7zXZ\0", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"\x04\x22\x4d\x18", "lz4"),
    (0, b"LZIP", "lzip"),
    (0, b"\x1f\x9d", "compress"),
    (0, b"\x1f\xa0", "compress"),
    (0, b"MSCF", "cab"),
    (0, b"\x60\xea", "arj"),
    (2, b"-lh", "lzh"),
    (2, b"-lz", "lzh"),
    (7, b"**ACE**", "ace"),
    (0, b"070701", "cpio"),
    (0, b"070702", "cpio"),
    (0, b"070707", "cpio"),
    (0, b"\xc7\x71", "cpio"),
    (0, b"\x71\xc7", "cpio"),
    (0, b"xar!", "xar"),
    (0, b"\x78\x9f\x3e\x22", "tnef"),
    (257, b"ustar", "tar"),
    (0x8001, b"CD001", "iso"),
    (0x8001, b"BEA01", "iso"),
    (0x8801, b"NSR0", "iso"),
    (0, b"conectix", "vhd"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"KDMV", "vmdk"),
    (0, b"# Disk DescriptorFile", "vmdk"),
    (0, b"QFI\xfb", "qcow"),
    (0, b"MSWIM\0\0\0", "wim"),
    (0, b"hsqs", "squashfs"),
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (0, b"II*\0", "tiff"),
    (0, b"MM\0*", "tiff"),
    (0, b"8BPS\0\x01", "psd"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (0, b"\xff\x4f\xff\x51", "jp2"),
    (0, b"\0\0\0\x0cJXL ", "jxl"),
    (0, b"\xd7\xcd\xc6\x9a", "wmf"),
    (40, b" EMF", "emf"),
    (0, b"AT&TFORM", "djvu"),
    (0, b"ID3", "mp3"),
    (0, b"OggS\0", "ogg"),
    (0, b"fLaC\0", "flac"),
    (0, b"MThd\0\0", "midi"),
    (0, b"\x1a\x45\xdf\xa3", "matroska"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (0, b"\0\0\x01\xba", "mpeg"),
    (0, b"\0\0\x01\xb3", "mpeg"),
    (0, b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3", "onenote"),
    (0, b"\xa1\x2f\xff\x43\xd9\xef\x76\x4c\x9e\xe2\x10\xea\x57\x22\x76\x5f", "onenote"),
    (0, b"SQLite format 3\0", "sqlite"),
    (0, b"!BDN", "pst"),
    (4, b"Standard Jet DB", "mdb"),
    (4, b"Standard ACE DB", "mdb"),
    (0, b"OTTO\0", "font"),
    (0, b"wOFF", "font"),
    (0, b"wOF2", "font"),
    (0, b"\0\x01\0\0\0", "font"),
    (0, b"FLV\x01", "flv"),
    (0, b"#!AMR", "amr"),
    (0, b"\x5d\0\0", "lzma"),
    (0, b"{\\rt", "rtf"),
    (0, b"%!PS", "postscript"),
    (0, b"\xc5\xd0\xd3\xc6", "postscript"),
)
