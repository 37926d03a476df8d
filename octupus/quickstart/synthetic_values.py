"""The values that appear in the synthetic corpora: city names, person names, topics, foods, in two languages.

They are plain words, because the quickstart's small model must learn to copy a value from a request into the
arguments of a tool call. Nothing here is drawn at random; `synthetic.py` draws from these lists.
"""

from __future__ import annotations

__all__ = ["CITIES", "FOODS", "LANGUAGES", "PERSONS", "TICKERS", "TOPICS"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


LANGUAGES: tuple[str, ...] = ("en", "zh")
"""The languages of the corpora."""

CITIES: dict[str, tuple[str, ...]] = {
    "en": _words(
        """
        Aarhus Accra Adana Adelaide Agadir Albany Aleppo Algiers Almaty Amman Amsterdam Anchorage
        Andorra Ankara Antwerp Arequipa Asmara Astana Athens Atlanta Auckland Austin Avignon Baghdad
        Baku Baltimore Bamako Bangkok Barcelona Bari Basel Basra Beirut Belfast Belgrade Bergen
        Berlin Bern Bilbao Birmingham Bogota Bologna Bombay Bonn Bordeaux Boston Brasilia Bratislava
        Bremen Brest Brisbane Bristol Bruges Brussels Bucharest Budapest Buffalo Burgas Bursa Cadiz
        Cairo Calgary Cali Cambridge Canberra Cancun Caracas Cardiff Cartagena Casablanca Chennai
        Chicago Cleveland Cologne Colombo Conakry Copenhagen Cordoba Cork Cusco Dakar Dallas
        Damascus Darwin Delhi Denver Detroit Dhaka Doha Dortmund Dover Dresden Dubai Dublin Dundee
        Durban Edinburgh Edmonton Essen Exeter Fargo Fes Florence Frankfurt Freetown Fresno Funchal
        Galway Gdansk Geneva Genoa Ghent Glasgow Granada Graz Grenoble Guatemala Haifa Halifax
        Hamburg Hanoi Hanover Harare Hartford Havana Helsinki Hobart Honolulu Houston Ibadan
        Innsbruck Istanbul Izmir Jaipur Jakarta Jeddah Jerusalem Johannesburg Juneau Kabul Kampala
        Kandy Kano Karachi Kathmandu Kharkiv Khartoum Kiel Kiev Kigali Kingston Kinshasa Kobe
        Kolkata Krakow Kuwait Kyoto Lagos Lahore Lausanne Leeds Leicester Leipzig Lille Lima
        Limerick Limoges Linz Lisbon Liverpool Ljubljana Lodz London Luanda Lublin Lusaka Luxembourg
        Lviv Lyon Madrid Malaga Malmo Manaus Manchester Manila Maputo Marrakesh Marseille Medellin
        Melbourne Memphis Mendoza Messina Miami Milan Minsk Modena Mombasa Monaco Montreal Moscow
        Mumbai Munich Murcia Muscat Nagoya Nairobi Nancy Nantes Naples Nashville Newcastle Nice
        Nicosia Norwich Nottingham Odense Odessa Omaha Oran Orlando Osaka Oslo Ottawa Oxford Padua
        Palermo Panama Paris Parma Perth Philadelphia Phoenix Pisa Plovdiv Plymouth Portland Porto
        Poznan Prague Pretoria Quebec Quito Rabat Recife Regina Rennes Reykjavik Richmond Riga
        Rimini Riyadh Rome Rosario Rotterdam Rouen Salem Salzburg Santiago Sapporo Sarajevo Seattle
        Seoul Seville Sheffield Skopje Sofia Split Stockholm Strasbourg Stuttgart Sucre Surat Suva
        Sydney Tallinn Tampa Tampere Tangier Tashkent Tbilisi Tehran Tirana Tokyo Toledo Toronto
        Toulouse Trieste Tripoli Tucson Tulsa Tunis Turin Turku Utrecht Valencia Valletta Vancouver
        Venice Verona Vienna Vilnius Warsaw Washington Wellington Windsor Winnipeg Yangon Yerevan
        Yokohama York Zagreb Zurich
        """
    ),
    "zh": _words(
        """
        北京 上海 天津 重庆 广州 深圳 南京 杭州 成都 武汉 西安 长沙 青岛 大连 厦门 苏州 无锡 宁波
        福州 济南 郑州 合肥 南昌 昆明 贵阳 南宁 海口 三亚 兰州 西宁 银川 太原 长春 沈阳 吉林 桂林
        珠海 东莞 佛山 中山 扬州 洛阳 开封 大同 金华 台州 湖州 常州 南通 北海 香港 澳门 台北 高雄
        巴黎 伦敦 东京 大阪 京都 首尔 纽约 柏林 罗马 米兰 开罗 河内 曼谷 孟买 利马 里昂 波恩 莫斯科
        多伦多 马德里 里斯本 新加坡 洛杉矶 旧金山
        """
    ),
}
"""City names: in English about 300, in Chinese about 80."""

PERSONS: dict[str, tuple[str, ...]] = {
    "en": _words(
        """
        Ada Alan Alice Amir Anna Anton Bella Boris Bruno Carla Carlos Cecil Chloe Clara Daniel Daria
        David Dora Edgar Elena Emma Erik Farid Felix Fiona Frank Gina Grace Greta Hamid Hanna Hugo
        Ida Igor Irene Ivan Jack Jana Julia Karim Karl Klara Laura Leila Leo Linda Lucas Maria Mark
        Mina Nadia Nina Noah Olga Omar Oscar Paul Petra Rosa Simon Tara Thomas Vera Yusuf
        """
    ),
    "zh": _words(
        """
        小明 小红 小华 小林 小丽 小芳 小军 小龙 王明 王芳 王海 李华 李明 李丽 李海 张明 张林 张红
        张军 刘明 刘芳 刘洋 陈明 陈华 陈红 赵林 赵海 赵龙 周明 周洋 林红 林海
        """
    ),
}
"""Names of persons: 64 in English, 32 in Chinese."""

TOPICS: dict[str, tuple[str, ...]] = {
    "en": _words(
        """
        apples birds boats books bridges budget cars cats chess coffee comets computers cooking
        cycling dogs dolphins energy fashion films fishing football forests gardens gold health
        history holidays horses houses islands jazz law lions lunch maps markets medicine money
        mountains music oceans painting physics planets plans poetry rain report rivers robots roses
        science ships skiing snow spiders stars tea tennis theatre trains travel trees volcanoes
        wine winter wolves
        """
    ),
    "zh": _words(
        """
        音乐 电影 足球 历史 科学 经济 健康 旅行 机器人 汽车 火车 天文 茶叶 咖啡 书法 诗歌 绘画 象棋
        花园 山水 海洋 动物 冬天 春天 计划 报告 会议 假期 预算 市场
        """
    ),
}
"""One-word subjects of searches, messages and events."""

FOODS: dict[str, tuple[str, ...]] = {
    "en": _words(
        """
        bacon basil beans bread butter cheese corn cream eggs garlic ham honey lemons milk mint
        mushrooms olives onions pears peppers potatoes rice salmon salt spinach sugar tomatoes tuna
        """
    ),
    "zh": _words("牛奶 鸡蛋 面包 大米 白糖 土豆 牛肉 鱼肉 香菜 洋葱 大蒜 茶叶 玉米 豆腐 苹果 西瓜"),
}
"""Things to eat, for the tools that take a list."""

TICKERS: tuple[str, ...] = _words(
    "ABC ACME AXO BNK BRT CMX DLT EKO FNX GLB HRZ INV JTX KLM LUX MNR NOV ORB PLX QTM RVR SOL TRX UNI VTX"
)
"""Made-up stock symbols, the same in both languages."""
