#!/usr/bin/env python3
"""Writes internal/ical/windows_zones.tsv: Windows zone name, IANA zone, display name.

Names and mapping are facts from CLDR (windowsZones.json of the npm package cldr-core, Unicode-3.0); display names from the npm
package timezones.json (MIT) and from the Windows registry's list for those it lacks. Run it in an empty folder with npm at hand:

    npm pack cldr-core timezones.json && for f in *.tgz; do mkdir ${f%.tgz}; tar xzf $f -C ${f%.tgz}; done
    python3 windows-zones.py . > internal/ical/windows_zones.tsv
"""
import glob, json, re, sys

base = sys.argv[1]
cldr = json.load(open(glob.glob(base + "/cldr-core-*/package/supplemental/windowsZones.json")[0]))
shown = json.load(open(glob.glob(base + "/timezones.json-*/package/timezones.json")[0]))

zones = {}
for entry in cldr["supplemental"]["windowsZones"]["mapTimezones"]:
    entry = entry["mapZone"]
    if entry["_territory"] == "001":
        zones[entry["_other"]] = entry["_type"]
strip = lambda s: re.sub(r"^\(UTC[^)]*\)\s*", "", s)
display = {}
for z in shown:
    if z["value"] in zones:
        display.setdefault(z["value"], strip(z["text"]))
display.update({
    "Aleutian Standard Time": "Aleutian Islands", "Altai Standard Time": "Barnaul, Gorno-Altaysk",
    "Astrakhan Standard Time": "Astrakhan, Ulyanovsk", "Aus Central W. Standard Time": "Eucla",
    "Belarus Standard Time": "Minsk", "Bougainville Standard Time": "Bougainville Island",
    "Chatham Islands Standard Time": "Chatham Islands", "Cuba Standard Time": "Havana",
    "Easter Island Standard Time": "Easter Island", "Eastern Standard Time (Mexico)": "Chetumal",
    "Ekaterinburg Standard Time": "Ekaterinburg", "Haiti Standard Time": "Haiti",
    "Line Islands Standard Time": "Kiritimati Island", "Lord Howe Standard Time": "Lord Howe Island",
    "Magallanes Standard Time": "Punta Arenas", "Marquesas Standard Time": "Marquesas Islands",
    "Norfolk Standard Time": "Norfolk Island", "North Korea Standard Time": "Pyongyang",
    "Omsk Standard Time": "Omsk", "Pacific Standard Time": "Pacific Time (US & Canada)", "Qyzylorda Standard Time": "Qyzylorda",
    "Russia Time Zone 3": "Izhevsk, Samara", "Russia Time Zone 10": "Chokurdakh",
    "Russia Time Zone 11": "Anadyr, Petropavlovsk-Kamchatsky", "Russian Standard Time": "Moscow, St. Petersburg, Volgograd",
    "Saint Pierre Standard Time": "Saint Pierre and Miquelon", "Sao Tome Standard Time": "Sao Tome",
    "Saratov Standard Time": "Saratov", "South Sudan Standard Time": "Juba", "Sudan Standard Time": "Khartoum",
    "Tocantins Standard Time": "Araguaina", "Tokyo Standard Time": "Osaka, Sapporo, Tokyo",
    "Tomsk Standard Time": "Tomsk", "Transbaikal Standard Time": "Chita",
    "Turks And Caicos Standard Time": "Turks and Caicos", "Volgograd Standard Time": "Volgograd",
    "W. Mongolia Standard Time": "Hovd", "West Bank Standard Time": "Gaza, Hebron", "Yukon Standard Time": "Yukon",
})
for name in sorted(zones):
    print(name, zones[name], display.get(name, ""), sep="\t")
